#include "isolation/volume_mount.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "isolation/detached_mount.h"
#include "isolation/error.h"

namespace gantry {
namespace {

UniqueFd clone_device(const std::string& device, const MountOptions& options) {
  if (!options.parameters.empty())
    throw Error("bind " + device, EINVAL, "a bind has no option \"" + options.parameters[0].first + '"');
  UniqueFd mount = clone_mount(device, options.recursive_bind);
  struct stat status;
  check(::fstat(mount.get(), &status), "stat " + device);
  if (!S_ISDIR(status.st_mode)) throw Error("bind " + device, ENOTDIR);
  set_mount_options(mount.get(), options, device);
  return mount;
}

bool is_empty(int directory, const std::string& name) {
  const UniqueFd opened(check(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + name));
  alignas(dirent64) char entries[512];  // room for "." and "..", and for one entry of any name
  for (;;) {
    const ssize_t size = check(::getdents64(opened.get(), entries, sizeof entries), "list " + name);
    if (size == 0) return true;
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      const std::string_view entry_name(entry->d_name);
      if (entry_name != "." && entry_name != "..") return false;
      at += entry->d_reclen;
    }
  }
}

}  // namespace

void mount_volume(const std::string& type, const std::string& device, const std::vector<std::string>& words,
                  const std::string& target) {
  const MountOptions options = parse_mount_options(words);
  const UniqueFd place(check(::open(target.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open " + target));
  const UniqueFd mount = options.bind ? clone_device(device, options) : make_filesystem(type, device, options);
  attach_mount(mount.get(), place.get(), target);
}

Beneath look_beneath(const std::string& path, const std::string& subpath) {
  const UniqueFd base(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + path));
  const UniqueFd found = open_below(base.get(), subpath, path);
  struct stat status;
  check(::fstat(found.get(), &status), "stat " + subpath);
  if (!S_ISDIR(status.st_mode)) return Beneath::other;
  return is_empty(found.get(), subpath) ? Beneath::empty_directory : Beneath::filled_directory;
}

bool is_mount_point(const std::string& path) {
  struct statx status;
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &status) < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    throw Error("stat " + path);
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

void unmount_volume(const std::string& path) {
  while (is_mount_point(path))
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0) throw Error("unmount " + path);
}

}  // namespace gantry
