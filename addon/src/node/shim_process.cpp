#include "node/shim_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "isolation/error.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace gantry {
namespace {

/// Above the numbers that the descriptors of a shim get, so that moving one does not overwrite another.
constexpr int SAFE_NUMBER = 16;

UniqueFd move_up(UniqueFd fd, int least, const std::string& what) {
  if (fd.get() >= least) return fd;
  return UniqueFd(check(::fcntl(fd.get(), F_DUPFD_CLOEXEC, least), "duplicate " + what));
}

/// Everything the child needs, prepared by the parent: between clone and execve no memory may be allocated.
struct Launch {
  /// Source of the descriptors 0, 1, 2 and so on.
  const int* descriptors;
  unsigned descriptor_count;
  int executable;
  char* const* arguments;
  char* const* environment;
  /// Where the child reports; its memory is the parent's.
  int error;
};

void reset_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  // Those that cannot be set, or that glibc keeps for itself, fail and are at their default anyway.
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int become_shim(void* argument) {
  auto& launch = *static_cast<Launch*>(argument);
  const auto give_up = [&launch] {
    launch.error = errno;
    ::_exit(127);
  };
  if (::setsid() < 0 || ::chdir("/") < 0) give_up();
  ::umask(022);
  for (unsigned number = 0; number < launch.descriptor_count; ++number)
    if (::dup2(launch.descriptors[number], static_cast<int>(number)) < 0) give_up();
  // Not closed here: the executable is among them until it runs.
  if (::syscall(SYS_close_range, launch.descriptor_count, ~0U, CLOSE_RANGE_CLOEXEC) < 0) give_up();
  reset_signals();
  ::syscall(SYS_execveat, launch.executable, "", launch.arguments, launch.environment, AT_EMPTY_PATH);
  give_up();
  return 127;
}

pid_t clone_and_execute(Launch& launch) {
  constexpr size_t STACK_SIZE = 64 * 1024;
  alignas(16) static thread_local char stack[STACK_SIZE];
  // No handler of the parent may run in the child, which shares its memory.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::clone(become_shim, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &launch);
  const int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw Error("create a process for a shim", clone_error);
  if (launch.error != 0) {
    ::waitpid(pid, nullptr, 0);
    throw Error("execute a shim", launch.error);
  }
  return pid;
}

}  // namespace

UniqueFd copy_to_sealed_memory(const std::string& path) {
  const UniqueFd source(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  struct stat status = {};
  check(::fstat(source.get(), &status), "stat " + path);
  constexpr unsigned FLAGS = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int created = ::memfd_create("gantry-shim", FLAGS | MFD_EXEC);
  // Kernels before 6.3 know only executable ones.
  if (created < 0 && errno == EINVAL) created = ::memfd_create("gantry-shim", FLAGS);
  UniqueFd memory = move_up(UniqueFd(check(created, "create a memory file")), SAFE_NUMBER, "a memory file");
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t copied =
        check(::sendfile(memory.get(), source.get(), nullptr, static_cast<size_t>(left)), "copy " + path);
    if (copied == 0) throw Error("copy " + path, EIO, "it became shorter");
    left -= copied;
  }
  constexpr int SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  check(::fcntl(memory.get(), F_ADD_SEALS, SEALS), "seal a memory file");
  return memory;
}

SpawnedShim spawn_shim(int executable, size_t bundle_length) {
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "create a socket pair");
  SpawnedShim result;
  result.control.reset(ends[0]);
  const UniqueFd control = move_up(UniqueFd(ends[1]), SAFE_NUMBER, "a socket");
  check(::fcntl(result.control.get(), F_SETFL, O_RDWR | O_NONBLOCK), "make a socket non-blocking");
  const UniqueFd null = move_up(UniqueFd(check(::open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null")), SAFE_NUMBER,
                                "the null device");
  // Where its messages go is part of its assignment.
  const int descriptors[] = {null.get(), null.get(), null.get(), control.get()};

  std::string name = "gantry-shim", spare = "--spare";
  // Where `--bundle DIR` is written later.
  spare.resize(std::max(spare.size(), sizeof "--bundle" + bundle_length), ' ');
  // Another OCI runtime, where one is configured, looks for its own programs.
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* const arguments[] = {name.data(), spare.data(), nullptr};
  char* const environment[] = {path.data(), nullptr};
  Launch launch = {};
  launch.descriptors = descriptors;
  launch.descriptor_count = std::size(descriptors);
  launch.executable = executable;
  launch.arguments = arguments;
  launch.environment = environment;
  result.pid = clone_and_execute(launch);
  return result;
}

bool reap_child(pid_t pid) {
  if (pid <= 0) throw Error("reap process " + std::to_string(pid), EINVAL);
  const pid_t reaped = ::waitpid(pid, nullptr, WNOHANG);
  if (reaped < 0 && errno != ECHILD) throw Error("reap process " + std::to_string(pid));
  return reaped == pid;
}

}  // namespace gantry
