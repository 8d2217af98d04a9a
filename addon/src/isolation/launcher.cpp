#include "isolation/launcher.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "isolation/cgroup.h"
#include "isolation/standard_streams.h"
#include "isolation/system_calls.h"

namespace gantry {
namespace {

/// A child inherits this: until it executes, no process in the container may trace it or look through its /proc entry.
class Undumpable {
 public:
  Undumpable() : before_(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
  ~Undumpable() {
    // 2 cannot be set by a process, and stays in force as 0.
    if (before_ == 1) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  Undumpable(const Undumpable&) = delete;
  Undumpable& operator=(const Undumpable&) = delete;

 private:
  int before_;
};

[[noreturn]] void run_child(const Launcher::Body& body, UniqueFd& socket, UniqueFd& parent) {
  ChildChannel channel(std::move(socket));
  try {
    body(channel, parent);
  } catch (const std::exception& error) {
    channel.fail(error);
  }
  ::_exit(1);
}

void set_oom_score(pid_t pid, const nlohmann::json& score) {
  if (score.is_null()) return;
  const std::string path = "/proc/" + std::to_string(pid) + "/oom_score_adj";
  const std::string value = std::to_string(score.get<int>());
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), value.data(), value.size()) < 0) throw Error("set oomScoreAdj to " + value);
}

/// How a process that gave no reason ended.
std::string ending_of(int pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOWAIT) < 0) return "it has gone";
  if (info.si_code == CLD_EXITED) return "it exited with " + std::to_string(info.si_status);
  return "it was killed by signal " + std::to_string(info.si_status) +
         (info.si_status == SIGKILL ? " (is the memory limit too low?)" : "");
}

}  // namespace

Launcher::Launcher(const std::string& cgroup_path) : cgroup_path_(cgroup_path), state_(new Process::State) {
  UniqueFd parent_end;
  open_launch_channel(parent_end, child_end_);
  state_->channel = ParentChannel(std::move(parent_end));
  own_pidfd_.reset(check(sys::pidfd_open(::getpid()), "pidfd_open"));
}

pid_t Launcher::clone(uint64_t flags, int cgroup, UniqueFd& pidfd) {
  int raw_pidfd = -1;
  clone_args arguments{};
  arguments.flags = flags | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&raw_pidfd);
  // A sibling's exit signal is its creator's.
  arguments.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<unsigned>(cgroup);
  }
  const pid_t pid = check(sys::clone3(arguments), "clone");
  if (pid != 0) pidfd.reset(raw_pidfd);
  return pid;
}

void Launcher::spawn(uint64_t namespaces, const Body& body) {
  const Undumpable undumpable;
  const UniqueFd cgroup = cgroup_path_.empty() ? UniqueFd() : Cgroup(cgroup_path_).open_v2();
  const pid_t pid = clone(namespaces, cgroup.get(), state_->pidfd);
  if (pid == 0) run_child(body, child_end_, own_pidfd_);
  state_->pid = pid;
  child_end_.reset();
}

void Launcher::spawn_after(const std::function<void()>& enter, uint64_t namespaces, const Body& body) {
  spawn_sibling([&](ChildChannel&, UniqueFd&) { enter(); }, namespaces, body);
}

void Launcher::spawn_inside(int pidfd, uint64_t namespaces, const Stdio& stdio, const Body& body) {
  const auto prepare = [&](ChildChannel& channel, UniqueFd& parent) {
    connect_stdio(stdio);
    // All in one call: the kernel knows the order, user namespace first.
    check(::setns(pidfd, static_cast<int>(namespaces)), "join the namespaces of the container");
    close_all_but({&channel.descriptor(), &child_end_, &parent});
  };
  spawn_sibling(prepare, 0, body);
}

/// A child of this process that an intermediate one makes, as whatever `prepare` makes of that.
void Launcher::spawn_sibling(const Preparation& prepare, uint64_t namespaces, const Body& body) {
  const Undumpable undumpable;
  const UniqueFd cgroup = cgroup_path_.empty() ? UniqueFd() : Cgroup(cgroup_path_).open_v2();
  // The intermediate process has a channel of its own: its successor may have something to say before it has.
  UniqueFd parent_end, intermediate_end;
  open_launch_channel(parent_end, intermediate_end);
  const ParentChannel channel(std::move(parent_end));
  Process::State intermediate;
  intermediate.pid = clone(0, cgroup.get(), intermediate.pidfd);
  if (intermediate.pid == 0) {
    run_child(
        [&](ChildChannel& own_channel, UniqueFd& parent) {
          prepare(own_channel, parent);
          UniqueFd successor_pidfd;
          const pid_t successor = clone(namespaces | CLONE_PARENT, -1, successor_pidfd);
          if (successor == 0) run_child(body, child_end_, parent);
          own_channel.hand_over(successor, successor_pidfd.get());
          ::_exit(0);
        },
        intermediate_end, own_pidfd_);
  }
  intermediate_end.reset();
  child_end_.reset();
  ParentChannel::Successor successor = channel.receive_successor();
  if (successor.pid == 0) throw Error("launch the process", 0, ending_of(intermediate.pidfd.get()));
  state_->pid = successor.pid;
  state_->pidfd = std::move(successor.pidfd);
  intermediate.reap();
}

void Launcher::hold_mounts() const noexcept {
  const std::string path = "/proc/" + std::to_string(state_->pid) + "/ns/mnt";
  state_->mount_namespace.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

void Launcher::place(const std::vector<ResourceLimit>& limits, const nlohmann::json& oom_score_adj,
                     bool start_at_once) const {
  try {
    raise_hard_limits(state_->pid, limits);
    if (!cgroup_path_.empty()) Cgroup(cgroup_path_).attach(state_->pid, false);
    set_oom_score(state_->pid, oom_score_adj);
  } catch (const Error&) {
    // A child that has failed cannot be moved; its own report is the one that matters.
    state_->channel.rethrow_report();
    throw;
  }
  state_->channel.allow(Permission::attached);
  if (start_at_once) state_->channel.allow(Permission::start);
}

Process Launcher::finish() {
  if (state_->channel.receive(&state_->terminal) == ParentChannel::Answer::closed)
    throw Error("prepare the process", 0, ending_of(state_->pidfd.get()));
  return Process(std::move(state_));
}

}  // namespace gantry
