#include "archive/resolve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <deque>
#include <vector>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr int max_links = 255;

void push_components(std::deque<std::string>& pending, const std::string& path) {
  size_t end = path.size();
  while (end > 0) {
    const size_t slash = path.rfind('/', end - 1);
    const size_t begin = slash == std::string::npos ? 0 : slash + 1;
    std::string component = path.substr(begin, end - begin);
    if (!component.empty() && component != ".") pending.push_front(std::move(component));
    end = slash == std::string::npos ? 0 : slash;
  }
}

std::string absolute(const std::vector<std::string>& components) {
  std::string result;
  for (const std::string& component : components) result.append("/").append(component);
  return result.empty() ? "/" : result;
}

/// The text of the link at a path, or nothing if it is none.
bool read_link(const Root& root, const std::string& path, std::string& target) {
  const UniqueFd object = root.try_open(path, O_PATH | O_NOFOLLOW);
  struct stat status;
  if (!object || fstat(object.get(), &status) < 0 || !S_ISLNK(status.st_mode)) return false;
  target.resize(PATH_MAX);
  const ssize_t size = readlinkat(object.get(), "", target.data(), target.size());
  if (size <= 0) return false;
  target.resize(static_cast<size_t>(size));
  return true;
}

}  // namespace

std::string resolve_in_root(const Root& root, const std::string& path, bool follow_last) {
  std::deque<std::string> pending;
  std::vector<std::string> done;
  push_components(pending, path);
  int links = 0;
  while (!pending.empty()) {
    const std::string component = std::move(pending.front());
    pending.pop_front();
    if (component == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    done.push_back(component);
    std::string target;
    if ((pending.empty() && !follow_last) || !read_link(root, absolute(done), target)) continue;
    if (++links > max_links) throw Error("resolve " + path, ELOOP);
    done.pop_back();
    if (target.front() == '/') done.clear();
    push_components(pending, target);
  }
  return absolute(done);
}

}  // namespace gantry::archive
