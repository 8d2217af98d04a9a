#include "archive/whiteout.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "archive/xattr.h"
#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

bool is_whiteout_name(std::string_view name) { return name.substr(0, whiteout_prefix.size()) == whiteout_prefix; }

bool is_whiteout_metadata(std::string_view name) {
  constexpr std::string_view metadata_prefix = ".wh..wh.";
  return name.substr(0, metadata_prefix.size()) == metadata_prefix && name != opaque_marker;
}

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0); }

bool is_whiteout(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && is_whiteout(status);
}

void hide(int parent, const std::string& name) {
  if (mknodat(parent, name.c_str(), S_IFCHR, makedev(0, 0)) == 0) return;
  if (errno != EEXIST) throw Error("make whiteout " + name);
  const UniqueFd existing(
      check(openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "make whiteout " + name));
  struct stat status;
  check(fstat(existing.get(), &status), "make whiteout " + name);
  if (S_ISDIR(status.st_mode)) set_opaque(existing.get());
}

}  // namespace gantry::archive
