#include "isolation/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/mount_options.h"
#include "isolation/system_calls.h"

namespace gantry {

UniqueFd mount_directory(const std::string& path) {
  UniqueFd mount = clone_mount(path, true);
  MountOptions options;
  options.propagation.push_back({MS_PRIVATE, true});
  set_mount_options(mount.get(), options, path);
  return mount;
}

void enter_root(int root_mount) {
  // Nothing of what follows may reach the host's mounts, of which this namespace got copies.
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
  check(::move_mount(root_mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "attach the root");
  check(::fchdir(root_mount), "chdir to the root");
  // Stacks the old root on the new one, so that neither needs a directory in the other (pivot_root(2), notes).
  check(sys::pivot_root(".", "."), "pivot_root");
  check(::umount2(".", MNT_DETACH), "detach the old root");
  check(::chdir("/"), "chdir to the root");
}

void seal_root(int root, bool read_only, const std::string& propagation) {
  MountOptions options;
  if (const auto mode = parse_propagation(propagation)) {
    if (mode->type == MS_SHARED || mode->type == MS_UNBINDABLE) options.propagation.push_back({mode->type, false});
  }
  if (read_only) options.set = MOUNT_ATTR_RDONLY;
  set_mount_options(root, options, "/");
}

}  // namespace gantry
