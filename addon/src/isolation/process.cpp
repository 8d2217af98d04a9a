#include <signal.h>
#include <sys/wait.h>

#include "isolation/launcher.h"
#include "isolation/system_calls.h"

namespace gantry {

ProcessError::ProcessError(std::string operation, int error, int exit_code, std::string_view detail)
    : Error(std::move(operation), error, detail), exit_code_(exit_code) {}

ProcessError::ProcessError(std::string operation, int error, int exit_code, ErrorText text)
    : Error(std::move(operation), error, std::move(text)), exit_code_(exit_code) {}

Process::State::~State() {
  if (started || pid == 0) return;
  sys::pidfd_send_signal(pidfd.get(), SIGKILL);
  reap();
}

void Process::State::reap() noexcept {
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), nullptr, WEXITED) < 0 && errno == EINTR) {
  }
  pid = 0;
}

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

pid_t Process::pid() const noexcept { return state_->pid; }
int Process::pidfd() const noexcept { return state_->pidfd.get(); }
UniqueFd Process::take_terminal() noexcept { return std::move(state_->terminal); }

void Process::start() {
  state_->channel.allow(Permission::start);
  try {
    state_->channel.receive(nullptr);  // the channel closes as the process executes, or ends as it would have anyway
  } catch (...) {
    sys::pidfd_send_signal(state_->pidfd.get(), SIGKILL);
    state_->reap();
    state_->started = true;
    throw;
  }
  state_->started = true;
  state_->channel = ParentChannel();
}

}  // namespace gantry
