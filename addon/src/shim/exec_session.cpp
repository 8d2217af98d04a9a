#include "shim/exec_session.h"

#include <signal.h>
#include <sys/epoll.h>

#include "isolation/system_calls.h"
#include "shim/exit_status.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

/// How long output is waited for that grandchildren hold open after the process itself has ended.
constexpr auto kOutputGrace = 2s;
/// How long a client may take to read what is left.
constexpr auto kClientGrace = 10s;

}  // namespace

ExecSession::ExecSession(EventLoop& loop, std::string id, std::unique_ptr<ContainerProcess> process, OwnEnds ends,
                         bool terminal, std::function<void(ExecSession&)> on_ended)
    : loop_(loop),
      id_(std::move(id)),
      process_(std::move(process)),
      streams_(loop, std::move(ends), {terminal, true, nullptr}),
      on_ended_(std::move(on_ended)) {
  loop_.watch(process_->pidfd(), EPOLLIN, *this);
}

ExecSession::~ExecSession() {
  if (!exited_) loop_.unwatch(process_->pidfd());
  loop_.cancel(timer_);
}

void ExecSession::on_ready(uint32_t) {
  auto code = reap(process_->pidfd());
  if (!code) return;
  loop_.unwatch(process_->pidfd());
  exited_ = true;
  exit_code_ = *code;
  streams_.drain_output();
  timer_ = loop_.after(kOutputGrace, [this] { streams_.finish_output(); });
  streams_.on_output_ended([this] { drained(); });
}

void ExecSession::drained() {
  loop_.cancel(timer_);
  timer_ = loop_.after(kClientGrace, [this] { streams_.close_clients(); });
  streams_.finish_clients();
  streams_.on_clients_done([this] { ended(); });
}

void ExecSession::finish() {
  if (!exited_) sys::pidfd_send_signal(process_->pidfd(), SIGKILL);
  streams_.finish_output();
  streams_.close_clients();
  streams_.on_clients_done([this] { ended(); });
}

void ExecSession::ended() {
  loop_.cancel(timer_);
  if (on_ended_) std::exchange(on_ended_, nullptr)(*this);
}

}  // namespace gantry::shim
