#include "archive/path.h"

#include <vector>

namespace gantry::archive {

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> kept;
  size_t above = 0;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      kept.push_back(component);
    } else if (kept.size() > above) {
      kept.pop_back();
    } else {
      kept.push_back(component);
      ++above;
    }
  }
  std::string result;
  for (const std::string_view component : kept) {
    if (!result.empty()) result.push_back('/');
    result.append(component);
  }
  return result;
}

bool escapes(std::string_view cleaned) { return cleaned == ".." || cleaned.substr(0, 3) == "../"; }

std::string_view parent_of(std::string_view cleaned) {
  const size_t slash = cleaned.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : cleaned.substr(0, slash);
}

std::string_view base_of(std::string_view cleaned) {
  const size_t slash = cleaned.rfind('/');
  return slash == std::string_view::npos ? cleaned : cleaned.substr(slash + 1);
}

std::string join(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  if (name.empty()) return std::string(directory);
  std::string result(directory);
  if (result.back() != '/') result.push_back('/');
  return result.append(name);
}

}  // namespace gantry::archive
