#include "isolation/tmpfs_copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <memory>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

// An image cannot make us recurse until the stack ends.
constexpr int kMaxDepth = 200;

void copy_directory(int source, int target, const std::string& name, int depth);

void copy_metadata(int target, const struct stat& status, const std::string& name) {
  if (::fchown(target, status.st_uid, status.st_gid) < 0) throw Error("chown " + name);
  if (::fchmod(target, status.st_mode & 07777) < 0) throw Error("chmod " + name);
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (::futimens(target, times) < 0) throw Error("set times of " + name);
}

void copy_file(int parent, int target, const char* entry, const std::string& name) {
  const UniqueFd from(::openat(parent, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!from) throw Error("open " + name);
  struct stat status;
  if (::fstat(from.get(), &status) < 0 || !S_ISREG(status.st_mode)) throw Error("open " + name, EINVAL);
  const UniqueFd to(::openat(target, entry, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) throw Error("create " + name);
  ssize_t copied;
  while ((copied = ::sendfile(to.get(), from.get(), nullptr, 1 << 30)) > 0) {
  }
  if (copied < 0) throw Error("copy " + name);
  copy_metadata(to.get(), status, name);
}

void copy_link(int parent, int target, const char* entry, const struct stat& status, const std::string& name) {
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(parent, entry, text, sizeof text - 1);
  if (size < 0) throw Error("readlink " + name);
  text[size] = '\0';
  if (::symlinkat(text, target, entry) < 0) throw Error("symlink " + name);
  if (::fchownat(target, entry, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0) throw Error("chown " + name);
}

void copy_entry(int parent, int target, const char* entry, const std::string& name, int depth) {
  struct stat status;
  if (::fstatat(parent, entry, &status, AT_SYMLINK_NOFOLLOW) < 0) throw Error("stat " + name);
  if (S_ISREG(status.st_mode)) return copy_file(parent, target, entry, name);
  if (S_ISLNK(status.st_mode)) return copy_link(parent, target, entry, status, name);
  if (!S_ISDIR(status.st_mode)) return;
  if (::mkdirat(target, entry, 0700) < 0) throw Error("mkdir " + name);
  const UniqueFd from(::openat(parent, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const UniqueFd to(::openat(target, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!from || !to) throw Error("open " + name);
  copy_directory(from.get(), to.get(), name, depth + 1);
}

void copy_directory(int source, int target, const std::string& name, int depth) {
  if (depth > kMaxDepth) throw Error("copy " + name, ELOOP);
  struct stat status;
  if (::fstat(source, &status) < 0) throw Error("stat " + name);
  const int own = ::openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(own < 0 ? nullptr : ::fdopendir(own), ::closedir);
  if (!directory) throw Error("open " + name);
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (!entry) break;
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    copy_entry(source, target, entry->d_name, name + "/" + entry->d_name, depth);
  }
  if (errno != 0) throw Error("list " + name);
  copy_metadata(target, status, name);
}

}  // namespace

void copy_up(int source, int target, const std::string& name) {
  // A mount's own descriptor names it only; its owner and mode take one that is open.
  const UniqueFd opened(::openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) throw Error("open " + name);
  copy_directory(source, opened.get(), name, 0);
}

}  // namespace gantry
