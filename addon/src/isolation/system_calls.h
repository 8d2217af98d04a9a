#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

/// System calls that the C library of Debian 12 has no wrapper for.
namespace gantry::sys {

/// A path that a mount hides for a moment makes the kernel answer EAGAIN; it says to try again.
inline int openat2(int directory, const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = resolve;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || attempt == 64) return static_cast<int>(fd);
  }
}

/// Returns twice, as fork() does.
inline pid_t clone3(clone_args& arguments) {
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

// The C library has these two, but its header forgets to say that they are C.
inline int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
inline int pidfd_send_signal(int pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

inline int pivot_root(const char* new_root, const char* put_old) {
  return static_cast<int>(::syscall(SYS_pivot_root, new_root, put_old));
}

}  // namespace gantry::sys
