#include "archive/remove_matching.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/directory.h"
#include "archive/path.h"
#include "archive/path_pattern.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr int max_depth = 1024;

void remove_below(int parent, const std::string& name, const std::string& path, const ExcludePatterns& patterns,
                  int depth) {
  if (depth > max_depth) throw Error("read " + path, ENAMETOOLONG, "directories are nested too deeply");
  const UniqueFd directory(
      check(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open " + path));
  for (const std::string& child : list_directory(directory.get())) {
    const std::string child_path = join(path, child);
    struct stat status;
    check(fstatat(directory.get(), child.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat " + child_path);
    const bool excluded = patterns.excludes(child_path);
    if (excluded && (!S_ISDIR(status.st_mode) || !patterns.has_exceptions())) {
      remove_entry(directory.get(), child);
    } else if (S_ISDIR(status.st_mode)) {
      remove_below(directory.get(), child, child_path, patterns, depth + 1);
      // Fails where something was taken back.
      if (excluded) unlinkat(directory.get(), child.c_str(), AT_REMOVEDIR);
    }
  }
}

}  // namespace

void remove_matching(const std::string& directory, const std::vector<std::string>& patterns) {
  remove_below(AT_FDCWD, directory, "", ExcludePatterns(patterns), 0);
}

}  // namespace gantry::archive
