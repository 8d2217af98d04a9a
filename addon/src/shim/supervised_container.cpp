#include "shim/supervised_container.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include <nlohmann/json.hpp>

#include "isolation/system_calls.h"
#include "shim/diagnostics.h"
#include "shim/exit_status.h"
#include "shim/timestamp.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

/// How long a killed process may take to end.
constexpr int kKillMilliseconds = 2000;

/// In a pid namespace of its own the kernel kills everybody when init ends.
bool has_own_pid_namespace(const json& spec) {
  if (!spec.contains("linux") || !spec["linux"].contains("namespaces")) return false;
  for (const json& entry : spec["linux"]["namespaces"]) {
    if (entry.value("type", "") == "pid") return entry.value("path", "").empty();
  }
  return false;
}

}  // namespace

SupervisedContainer::~SupervisedContainer() { unwatch_init(); }

void SupervisedContainer::prepare() noexcept {
  try {
    config_ = parse_shim_config(read_json_file("shim.json"));
    runtime_ = make_runtime(*config_);
    runtime_->prepare();
    exit_record_file_ = std::make_unique<ExitRecordFile>(config_->state_directory);
    open_log();
  } catch (const std::exception&) {
    preparation_failure_ = std::current_exception();
  }
}

void SupervisedContainer::create(bool start_at_once) {
  if (status_ != Status::kAbsent) throw Error("create", EEXIST, "the container has been created already");
  if (preparation_failure_) std::rethrow_exception(preparation_failure_);
  json spec = read_json_file("config.json");
  own_pid_namespace_ = has_own_pid_namespace(spec);
  launch(std::move(spec), start_at_once);
  status_ = Status::kCreated;
  watch_init();
}

void SupervisedContainer::open_log() {
  if (!config_->log.enabled) return;
  log_file_ = std::make_unique<LogFile>(config_->log.path, config_->log.max_size, config_->log.max_files);
  log_ = std::make_unique<JsonLog>(*log_file_);
}

void SupervisedContainer::launch(json spec, bool start_at_once) {
  bool terminal = spec.contains("process") && spec["process"].value("terminal", false);
  std::optional<ProcessStdio> stdio;
  if (!terminal) stdio.emplace(ProcessStdio::Wanted{config_->input.open, true, true});
  process_ = runtime_->create(std::move(spec), stdio ? stdio->process_ends() : Stdio{}, start_at_once);
  if (stdio) stdio->close_process_ends();
  OwnEnds ends = terminal ? terminal_ends(process_->take_terminal()) : stdio->take_own_ends();
  if (!config_->input.open) ends.input.reset();
  streams_ = std::make_unique<ProcessStreams>(loop_, std::move(ends),
                                              ProcessStreams::Options{terminal, config_->input.once, log_.get()});
  oom_ = std::make_unique<OomWatch>(loop_, config_->cgroup_path, listener_.oom);
}

void SupervisedContainer::start() {
  if (status_ != Status::kCreated) throw Error("start", EINVAL, "the container is not in the state created");
  unwatch_init();
  process_->start();
  record_.started_at = timestamp(now());
  status_ = Status::kRunning;
  watch_init();
}

void SupervisedContainer::watch_init() {
  loop_.watch(process_->pidfd(), EPOLLIN, *this);
  init_watched_ = true;
}

void SupervisedContainer::unwatch_init() noexcept {
  if (init_watched_) loop_.unwatch(process_->pidfd());
  init_watched_ = false;
}

void SupervisedContainer::send_signal(int signal) const {
  if (status_ != Status::kCreated && status_ != Status::kRunning) throw Error("kill", ESRCH);
  check(sys::pidfd_send_signal(process_->pidfd(), signal), "kill");
}

void SupervisedContainer::abandon() noexcept {
  unwatch_init();
  oom_.reset();
  streams_.reset();
  if (process_) {
    sys::pidfd_send_signal(process_->pidfd(), SIGKILL);
    pollfd ended{process_->pidfd(), POLLIN, 0};
    poll(&ended, 1, kKillMilliseconds);
    reap(process_->pidfd());
    process_.reset();
    runtime_->remove();
  }
  runtime_.reset();
  exit_record_file_.reset();
  status_ = Status::kStopped;
}

void SupervisedContainer::on_ready(uint32_t) {
  auto code = reap(process_->pidfd());
  if (!code) return;
  unwatch_init();
  record_.exit_code = *code;
  record_.finished_at = timestamp(now());
  status_ = Status::kStopping;
  kill_leftovers();
  streams_->drain_output();
  listener_.exited();
}

/// Processes that share the host's or another container's pid namespace outlive their init, and may hold its output.
void SupervisedContainer::kill_leftovers() noexcept {
  if (own_pid_namespace_) return;
  try {
    Cgroup(config_->cgroup_path).kill();
  } catch (const std::exception& error) {
    diagnose("kill the container's remaining processes: %s", error.what());
  }
}

void SupervisedContainer::on_output_ended(std::function<void()> action) {
  streams_->on_output_ended(std::move(action));
}

void SupervisedContainer::finish() {
  record_.oom_killed = oom_->check_now();
  oom_.reset();
  if (runtime_->needs_bundle()) clean_up();
  if (log_file_) log_file_->close();
  status_ = Status::kStopped;
}

void SupervisedContainer::clean_up() noexcept {
  if (!process_) return;
  runtime_->remove();
  process_.reset();
}

void SupervisedContainer::release_memory() noexcept {
  OutputReader::release_memory();
  if (log_) log_->release_memory();
}

}  // namespace gantry::shim
