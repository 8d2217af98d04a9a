#include "isolation/init_layer.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "isolation/error.h"
#include "isolation/path_in_root.h"
#include "isolation/rootfs.h"

namespace gantry {
namespace {

/// The file by which programs know where they are.
void make_marker(int root) {
  const UniqueFd made(::openat(root, ".dockerenv", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
  if (!made && errno != EEXIST) throw Error("make /.dockerenv");
}

/// The list of mounts under its old name, unless the image has something there.
void link_mount_table(int root) {
  const UniqueFd etc = try_open_in_root(root, "/etc", O_PATH | O_DIRECTORY);
  if (!etc) return;
  if (::symlinkat("/proc/mounts", etc.get(), "mtab") < 0 && errno != EEXIST) throw Error("make /etc/mtab");
}

}  // namespace

void make_init_layer(const std::vector<std::string>& lower, const std::string& upper, const std::string& work) {
  check(::unshare(CLONE_FS), "unshare the umask");
  ::umask(0);
  const UniqueFd root = mount_overlay(lower, upper, work, OverlaySync::never);
  for (const char* path : {"/dev", "/proc", "/sys"}) make_mount_point(root.get(), path, true);
  for (const char* path : {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
    make_mount_point(root.get(), path, false);
  make_marker(root.get());
  link_mount_table(root.get());
}

}  // namespace gantry
