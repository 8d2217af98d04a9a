#include "shim/runtime_command.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/system_calls.h"
#include "shim/diagnostics.h"
#include "shim/exit_status.h"

namespace gantry::shim {
namespace {

constexpr int kTimeoutMilliseconds = 120'000;
constexpr int kCannotExecute = 127;

void attach_root(const RuntimeCommand& command) {
  check(unshare(CLONE_NEWNS), "unshare mount namespace");
  check(mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr), "make mounts private");
  check(syscall(SYS_move_mount, command.root_mount, "", AT_FDCWD, command.mount_point.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
        "attach root");
}

void place_stdio(const Stdio& stdio) {
  // 0 and 1 of the shim are /dev/null, 2 is its log.
  for (auto [from, to] : {std::pair{stdio.in, 0}, {stdio.out, 1}, {stdio.err, 2}}) {
    if (from >= 0) check(dup2(from, to), "dup2");
  }
}

[[noreturn]] void execute(const RuntimeCommand& command, char** arguments) noexcept {
  try {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (command.root_mount >= 0) attach_root(command);
    place_stdio(command.stdio);
    execv(arguments[0], arguments);
    throw Error("execute " + command.arguments[0]);
  } catch (const std::exception& error) {
    diagnose("%s", error.what());
  }
  _exit(kCannotExecute);
}

}  // namespace

int run(const RuntimeCommand& command) {
  std::vector<char*> arguments;
  for (const auto& argument : command.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = check(fork(), "fork");
  if (pid == 0) execute(command, arguments.data());
  UniqueFd pidfd(sys::pidfd_open(pid));
  pollfd ended{pidfd.get(), POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&ended, 1, kTimeoutMilliseconds)) < 0 && errno == EINTR) {
  }
  if (ready <= 0) {
    sys::pidfd_send_signal(pidfd.get(), SIGKILL);
    waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), nullptr, WEXITED);
    throw Error(command.arguments[0], ETIMEDOUT, "does not end");
  }
  return reap(pidfd.get()).value_or(255);
}

}  // namespace gantry::shim
