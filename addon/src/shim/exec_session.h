#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shim/container_runtime.h"
#include "shim/process_streams.h"

namespace gantry::shim {

/// A further process of the container with its one client.
class ExecSession final : public EventHandler {
 public:
  /// @param on_ended called once when the process has ended and its output has been delivered
  ExecSession(EventLoop& loop, std::string id, std::unique_ptr<ContainerProcess> process, OwnEnds ends, bool terminal,
              std::function<void(ExecSession&)> on_ended);
  ~ExecSession();

  ProcessStreams& streams() noexcept { return streams_; }
  const std::string& id() const noexcept { return id_; }
  const ContainerProcess& process() const noexcept { return *process_; }
  bool exited() const noexcept { return exited_; }
  int exit_code() const noexcept { return exit_code_; }
  /// Ends the session at once, whoever still holds its output.
  void finish();
  void on_ready(uint32_t events) override;

 private:
  void drained();
  void ended();

  EventLoop& loop_;
  std::string id_;
  std::unique_ptr<ContainerProcess> process_;
  ProcessStreams streams_;
  std::function<void(ExecSession&)> on_ended_;
  EventLoop::TimerId timer_ = 0;
  /// That of a killed process, until it has ended otherwise.
  int exit_code_ = 137;
  bool exited_ = false;
};

}  // namespace gantry::shim
