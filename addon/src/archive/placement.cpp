#include "archive/placement.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

void spread_subdirectories(const std::string& path) {
  const UniqueFd directory(check(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path));
  struct statfs file_system;
  check(::fstatfs(directory.get(), &file_system), "statfs " + path);
  if (file_system.f_type != EXT4_SUPER_MAGIC) return;
  int flags = 0;
  check(::ioctl(directory.get(), FS_IOC_GETFLAGS, &flags), "get flags of " + path);
  if ((flags & FS_TOPDIR_FL) != 0) return;
  flags |= FS_TOPDIR_FL;
  check(::ioctl(directory.get(), FS_IOC_SETFLAGS, &flags), "set flags of " + path);
}

}  // namespace gantry
