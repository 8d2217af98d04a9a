#include "archive/find_paths.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "archive/directory.h"
#include "archive/path.h"
#include "archive/path_pattern.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr int max_depth = 1024;

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> components;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t slash = std::min(path.find('/', begin), path.size());
    components.push_back(path.substr(begin, slash - begin));
    begin = slash + 1;
  }
  return components;
}

class Finder {
 public:
  Finder(const Root& root, const std::string& pattern) : root_(root), components_(components_of(pattern)) {}

  std::vector<std::string> run() {
    visit("", 0, 0);
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

 private:
  void visit(const std::string& path, size_t index, int depth) {
    if (depth > max_depth) throw Error("find " + path, ENAMETOOLONG, "directories are nested too deeply");
    if (index == components_.size()) {
      if (root_.try_open(path, O_PATH | O_NOFOLLOW)) found_.push_back(path);
      return;
    }
    const std::string& component = components_[index];
    if (component == "**") return visit_any_depth(path, index, depth);
    if (!PathPattern::has_wildcards(component)) return visit(join(path, component), index + 1, depth + 1);
    const PathPattern pattern(component);
    for (const std::string& name : names_in(path))
      if (pattern.matches(name)) visit_matched(join(path, name), index + 1, depth);
  }

  void visit_matched(const std::string& path, size_t index, int depth) {
    if (index == components_.size() || is_directory(path)) visit(path, index, depth + 1);
  }

  void visit_any_depth(const std::string& path, size_t index, int depth) {
    if (index + 1 < components_.size()) visit(path, index + 1, depth + 1);
    for (const std::string& name : names_in(path)) {
      const std::string child = join(path, name);
      if (index + 1 == components_.size())
        found_.push_back(child);
      else if (is_directory(child))
        visit_any_depth(child, index, depth + 1);
    }
  }

  std::vector<std::string> names_in(const std::string& path) const {
    const UniqueFd directory = root_.try_open(path, O_RDONLY | O_DIRECTORY);
    return directory ? list_directory(directory.get()) : std::vector<std::string>();
  }

  bool is_directory(const std::string& path) const {
    struct stat status;
    const UniqueFd object = root_.try_open(path, O_PATH | O_NOFOLLOW);
    return object && fstat(object.get(), &status) == 0 && S_ISDIR(status.st_mode);
  }

  const Root& root_;
  const std::vector<std::string> components_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> find_paths(const Root& root, const std::string& pattern) {
  return Finder(root, clean_path(pattern)).run();
}

}  // namespace gantry::archive
