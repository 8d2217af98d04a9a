#include "isolation/standard_streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace gantry {

void connect_stdio(const Stdio& stdio) {
  // Upwards first: the sources may themselves be among 0, 1 and 2.
  UniqueFd sources[3];
  for (int fd = 0; fd <= 2; ++fd) {
    const int source = fd == 0 ? stdio.in : fd == 1 ? stdio.out : stdio.err;
    sources[fd].reset(source < 0 ? ::open("/dev/null", O_RDWR | O_CLOEXEC) : ::fcntl(source, F_DUPFD_CLOEXEC, 3));
    if (!sources[fd]) throw Error("open standard stream");
  }
  for (int fd = 0; fd <= 2; ++fd) check(::dup2(sources[fd].get(), fd), "dup2");
}

void give_stdio_to(const Stdio& stdio, const IdMaps& ids) {
  if (ids.empty()) return;
  for (const int fd : {stdio.in, stdio.out, stdio.err}) {
    struct stat status;
    if (fd < 0) continue;
    if (::fstat(fd, &status) < 0) throw Error("stat standard stream");
    // Anything else is the host's.
    if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode)) continue;
    check(::fchown(fd, ids.user_outside(0), ids.group_outside(0)), "chown standard stream");
  }
}

void give_stdio_to(uid_t uid) {
  for (int fd = 0; fd <= 2; ++fd) {
    struct stat status;
    if (::fstat(fd, &status) < 0) throw Error("stat standard stream");
    if (status.st_uid == uid || (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))) continue;
    // What cannot be given away (another user namespace's pipe, a read-only file) still works as it is.
    if (::fchown(fd, uid, static_cast<gid_t>(-1)) < 0 && errno != EPERM && errno != EINVAL && errno != EROFS)
      throw Error("chown standard stream");
  }
}

void close_all_but(std::initializer_list<UniqueFd*> kept) {
  for (UniqueFd* fd : kept)
    if (*fd) fd->reset(check(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 3 + static_cast<int>(kept.size())), "dup"));
  int next = 3;
  for (UniqueFd* fd : kept) {
    if (!*fd) continue;
    // Whoever owned this number does not get to close it: execute_process never returns.
    check(::dup3(fd->get(), next, O_CLOEXEC), "dup3");
    (void)fd->release();
    fd->reset(next++);
  }
  check(::close_range(static_cast<unsigned>(next), ~0U, 0), "close_range");
}

}  // namespace gantry
