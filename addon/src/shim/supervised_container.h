#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "shim/container_runtime.h"
#include "shim/exit_record.h"
#include "shim/oom_watch.h"
#include "shim/process_streams.h"

namespace gantry::shim {

/// The container's first process: brought up, followed and, in the end, cleaned away with everything around it.
class SupervisedContainer final : public EventHandler {
 public:
  enum class Status { kAbsent, kCreated, kRunning, kStopping, kStopped };

  struct Listener {
    /// Memory ran out and a process was killed.
    std::function<void()> oom;
    /// Init has ended and was reaped; its output may still have to be read.
    std::function<void()> exited;
  };

  SupervisedContainer(EventLoop& loop, Listener listener) : loop_(loop), listener_(std::move(listener)) {}
  ~SupervisedContainer();

  /// Reads shim.json and makes what does not depend on config.json, which may not be there yet. How that went, `create`
  /// tells.
  void prepare() noexcept;
  /// Reads config.json and makes everything ready. Called after `prepare`.
  /// @param start_at_once the process need not wait for `start`, which follows at once
  /// @throws Error; the object is of no more use then
  void create(bool start_at_once);
  /// @throws Error
  void start();
  void send_signal(int signal) const;
  /// Undoes `create`; kills what has not been started.
  void abandon() noexcept;

  /// Calls `action` when all output is read; gives up on those who hold it open after `finish_output`.
  void on_output_ended(std::function<void()> action);
  void finish_output() { streams_->finish_output(); }
  /// Closes the log and looks whether memory ran out. The container counts as stopped.
  void finish();
  /// Removes its cgroup and lets go of its mounts, for which nobody has to wait who wants to know of its end. Once.
  void clean_up() noexcept;
  /// Tells on the disk how the run ended. @throws Error; then it can be tried again
  void publish_exit_record() { exit_record_file_->publish(record_); }

  Status status() const noexcept { return status_; }
  pid_t pid() const noexcept { return process_ ? process_->pid() : 0; }
  const ExitRecord& record() const noexcept { return record_; }
  bool was_started() const noexcept { return !record_.started_at.empty(); }
  const ShimConfig& config() const noexcept { return *config_; }
  const ContainerProcess& init() const noexcept { return *process_; }
  ContainerRuntime& runtime() noexcept { return *runtime_; }
  ProcessStreams* streams() noexcept { return streams_.get(); }
  LogFile* log_file() noexcept { return log_file_.get(); }
  /// Gives back memory that is not needed while nothing happens.
  void release_memory() noexcept;
  void on_ready(uint32_t events) override;

 private:
  void open_log();
  void launch(nlohmann::json spec, bool start_at_once);
  void watch_init();
  void unwatch_init() noexcept;
  void kill_leftovers() noexcept;

  EventLoop& loop_;
  Listener listener_;
  Status status_ = Status::kAbsent;
  std::exception_ptr preparation_failure_;
  std::optional<ShimConfig> config_;
  std::unique_ptr<LogFile> log_file_;
  std::unique_ptr<JsonLog> log_;
  std::unique_ptr<ContainerRuntime> runtime_;
  std::unique_ptr<ContainerProcess> process_;
  std::unique_ptr<ProcessStreams> streams_;
  std::unique_ptr<OomWatch> oom_;
  ExitRecord record_;
  std::unique_ptr<ExitRecordFile> exit_record_file_;
  bool own_pid_namespace_ = false;
  bool init_watched_ = false;
};

}  // namespace gantry::shim
