#include "shim/supervisor.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "shim/diagnostics.h"
#include "shim/process_environment.h"

namespace gantry::shim {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// How long output is waited for that someone else holds open after init has ended.
constexpr auto kOutputGrace = 2s;
constexpr auto kRecordRetryDelay = 1s;
/// How long clients may take to read what is left once everything else is done.
constexpr auto kClientGrace = 5min;

}  // namespace

Supervisor::Supervisor(UniqueFd control, UniqueFd network_namespace, std::vector<UniqueFd> port_sockets)
    : network_namespace_(std::move(network_namespace)),
      ports_(loop_, std::move(port_sockets)),
      container_(loop_, {[this] {
                           connections_.broadcast(frame({{"event", "oom"}}));
                         },
                         [this] { on_container_exited(); }}),
      execs_(loop_,
             [this](const std::string& id, int code) {
               connections_.broadcast(frame({{"event", "exec-exit"}, {"execId", id}, {"exitCode", code}}));
             }),
      connections_(loop_,
                   {[this](MessageConnection& connection, const std::string& text) { on_message(connection, text); },
                    [this] { on_abandoned(); }, [this] { end_when_flushed(); }}) {
  connections_.listen("shim.sock");
  connections_.add(std::move(control), true);
  container_.prepare();
  loop_.on_idle([this] {
    container_.release_memory();
    DnsServer::release_memory();
    release_unused_memory();
  });
}

void Supervisor::run() { loop_.run(); }

/// Without a control connection nobody can start the container any more.
void Supervisor::on_abandoned() {
  if (container_.status() == Status::kAbsent || container_.status() == Status::kCreated) return give_up();
  if (!container_.config().bound || container_.status() != Status::kRunning) return;
  try {
    container_.send_signal(SIGKILL);
  } catch (const Error& error) {
    diagnose("%s", error.what());  // it has just ended
  }
}

void Supervisor::give_up() noexcept {
  container_.abandon();
  connections_.stop_listening();
  ports_.close();
  dns_.reset();
  network_namespace_.reset();
  orphans_.reset();
  clients_done_ = true;
  ending_ = true;
  loop_.defer([this] { end_when_flushed(); });
  loop_.after(kOutputGrace, [this] { loop_.stop(); });
}

void Supervisor::on_container_exited() {
  if (orphans_) orphans_->sweep();
  container_.on_output_ended([this] {
    output_ended_ = true;
    on_processes_ended();
  });
  execs_.on_all_ended([this] {
    execs_ended_ = true;
    on_processes_ended();
  });
  grace_ = loop_.after(kOutputGrace, [this] {
    container_.finish_output();
    execs_.finish();
  });
}

void Supervisor::on_processes_ended() {
  if (!output_ended_ || !execs_ended_) return;
  loop_.cancel(grace_);
  container_.finish();
  orphans_.reset();
  ports_.close();
  dns_.reset();
  record_exit();
}

void Supervisor::record_exit() {
  if (container_.was_started()) {
    try {
      container_.publish_exit_record();
    } catch (const Error& error) {
      // The exit code must not get lost: wait for the disk for as long as it takes, and hold nothing else.
      diagnose("%s", error.what());
      clean_up();
      loop_.after(kRecordRetryDelay, [this] { record_exit(); });
      return;
    }
  }
  announce_exit();
}

void Supervisor::announce_exit() {
  const ExitRecord& record = container_.record();
  connections_.stop_listening();
  for (auto& answer : waiting_for_exit_) answer();
  connections_.broadcast(frame({{"event", "exit"},
                                {"exitCode", record.exit_code},
                                {"oomKilled", record.oom_killed},
                                {"finishedAt", record.finished_at}}));
  ending_ = true;
  container_.streams()->finish_clients();
  // What everybody waits for has been told.
  clean_up();
  container_.streams()->on_clients_done([this] {
    clients_done_ = true;
    end_when_flushed();
  });
  loop_.after(kClientGrace, [this] { loop_.stop(); });
}

void Supervisor::clean_up() noexcept {
  container_.clean_up();
  network_namespace_.reset();
}

void Supervisor::end_when_flushed() {
  if (ending_ && clients_done_ && connections_.flushed()) loop_.stop();
}

}  // namespace gantry::shim
