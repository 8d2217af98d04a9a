#include "archive/clamp_times.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "archive/metadata.h"
#include "archive/tree_children.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

void clamp(int object, const struct stat& status, const std::string& path, int64_t latest, int depth) {
  if (depth > max_tree_depth) throw Error("set times " + path, ENAMETOOLONG, "directories are nested too deeply");
  if (S_ISDIR(status.st_mode)) {
    for_each_child(object, path, ExcludePatterns({}),
                   [&](TreeObject& child) { clamp(child.fd.get(), child.status, child.path, latest, depth + 1); });
  }
  const bool is_later =
      status.st_mtim.tv_sec > latest || (status.st_mtim.tv_sec == latest && status.st_mtim.tv_nsec > 0);
  if (is_later) set_time(object, {latest, 0});
}

}  // namespace

void clamp_times(const std::string& directory, int64_t latest) {
  const UniqueFd top(check(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + directory));
  struct stat status;
  check(fstat(top.get(), &status), "stat " + directory);
  clamp(top.get(), status, "", latest, 0);
}

}  // namespace gantry::archive
