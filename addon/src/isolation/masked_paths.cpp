#include "isolation/masked_paths.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/path_in_root.h"

namespace gantry {
namespace {

/// Opens a path that need not exist.
UniqueFd find(int root, const std::string& path) {
  UniqueFd found = try_open_in_root(root, path);
  if (!found && errno != ENOENT && errno != ENOTDIR) throw Error("open " + path);
  return found;
}

/// Attaches one mount again and again: the first time itself, then copies of it. A detached mount could not be copied
/// before Linux 6.15, an attached one can.
class Cover {
 public:
  explicit Cover(int mount) : mount_(mount) {}

  void attach(int target, const std::string& path) {
    if (!attached_) {
      attach_mount(mount_, target, path);
      attached_ = true;
      return;
    }
    attach_mount(clone_mount(mount_, false, path).get(), target, path);
  }

 private:
  int mount_;
  bool attached_ = false;
};

UniqueFd empty_directory() {
  MountOptions options;
  options.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  options.parameters = {{"size", "4k"}, {"nr_inodes", "1"}};
  return make_filesystem("tmpfs", "tmpfs", options);
}

}  // namespace

void mask_paths(int root, const std::vector<std::string>& paths, int null_device) {
  Cover files(null_device);
  UniqueFd directory;
  Cover directories(-1);
  for (const std::string& path : paths) {
    const UniqueFd target = find(root, path);
    if (!target) continue;
    struct stat status;
    if (::fstat(target.get(), &status) < 0) throw Error("stat " + path);
    if (!S_ISDIR(status.st_mode)) {
      files.attach(target.get(), path);
      continue;
    }
    if (!directory) {
      directory = empty_directory();
      directories = Cover(directory.get());
    }
    directories.attach(target.get(), path);
  }
}

void protect_paths(int root, const std::vector<std::string>& paths) {
  MountOptions read_only;
  read_only.recursive_set = MOUNT_ATTR_RDONLY;
  for (const std::string& path : paths) {
    const UniqueFd target = find(root, path);
    if (!target) continue;
    const UniqueFd copy = clone_mount(target.get(), true, path);
    set_mount_options(copy.get(), read_only, path);
    attach_mount(copy.get(), target.get(), path);
  }
}

}  // namespace gantry
