#include "archive/changes.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "archive/directory.h"
#include "archive/lower_stack.h"
#include "archive/path.h"
#include "archive/whiteout.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr int max_depth = 1024;

bool same_time(const timespec& a, const timespec& b) {
  // A time without a fraction was cut to seconds on its way through an archive.
  return a.tv_sec == b.tv_sec && (a.tv_nsec == b.tv_nsec || a.tv_nsec == 0 || b.tv_nsec == 0);
}

bool differ(const struct stat& before, int before_fd, const struct stat& after, int after_fd) {
  if (before.st_mode != after.st_mode || before.st_uid != after.st_uid || before.st_gid != after.st_gid ||
      before.st_rdev != after.st_rdev) {
    return true;
  }
  if (!S_ISDIR(after.st_mode) && (before.st_size != after.st_size || !same_time(before.st_mtim, after.st_mtim))) {
    return true;
  }
  std::string before_capability;
  std::string after_capability;
  has_xattr(before_fd, "security.capability", &before_capability);
  has_xattr(after_fd, "security.capability", &after_capability);
  return before_capability != after_capability;
}

class Comparison {
 public:
  explicit Comparison(const std::vector<std::string>& exclude) {
    for (const std::string& path : exclude) excluded_.insert("/" + clean_path(path));
  }

  void compare_directory(int upper, const LowerStack& lower, const std::string& path, int depth) {
    if (depth > max_depth) throw Error("compare " + path, ENAMETOOLONG, "directories are nested too deeply");
    const std::vector<std::string> names = list_directory(upper);
    for (const std::string& name : names) {
      const std::string child_path = path + "/" + name;
      if (excluded_.count(child_path) == 0) compare(upper, lower, name, child_path, depth);
    }
    std::string opaque;
    if (!has_xattr(upper, opaque_xattr, &opaque) || opaque != "y") return;
    for (const std::string& name : lower.names()) {
      if (!std::binary_search(names.begin(), names.end(), name)) add(path + "/" + name, ChangeKind::deleted);
    }
  }

  std::vector<Change> take() {
    std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
    return std::move(changes_);
  }

 private:
  void compare(int upper, const LowerStack& lower, const std::string& name, const std::string& path, int depth) {
    const UniqueFd object(openat(upper, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!object && errno == ENOENT) return;  // removed meanwhile
    struct stat status;
    check(fstat(check(object.get(), "open " + path), &status), "stat " + path);

    UniqueFd before_fd;
    const std::optional<struct stat> before = lower.find(name, &before_fd);
    if (is_whiteout(status)) {
      if (before) add(path, ChangeKind::deleted);
      return;
    }
    const size_t count = changes_.size();
    const bool changed = !before || differ(*before, before_fd.get(), status, object.get());
    if (changed) add(path, before ? ChangeKind::modified : ChangeKind::added);
    if (!S_ISDIR(status.st_mode)) return;
    const UniqueFd directory(check(openat(object.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path));
    compare_directory(directory.get(), before ? lower.enter(name) : LowerStack(), path, depth + 1);
    if (!changed && changes_.size() > count) add(path, ChangeKind::modified);
  }

  void add(const std::string& path, ChangeKind kind) { changes_.push_back({path, kind}); }

  std::set<std::string> excluded_;
  std::vector<Change> changes_;
};

}  // namespace

std::vector<Change> list_changes(const std::vector<std::string>& lower, const std::string& upper,
                                 const std::vector<std::string>& exclude) {
  const UniqueFd directory(check(open(upper.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + upper));
  Comparison comparison(exclude);
  comparison.compare_directory(directory.get(), LowerStack(lower), "", 0);
  return comparison.take();
}

}  // namespace gantry::archive
