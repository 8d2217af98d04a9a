#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "shim/exec_session.h"
#include "shim/message_connection.h"

namespace gantry::shim {

/// An exec request, checked.
struct ExecRequest {
  std::string id;
  StreamSelection streams;
  bool detach = false;
  bool terminal = false;
};

/// @throws Error or nlohmann::json::exception
ExecRequest parse_exec_request(const nlohmann::json& message);
StreamSelection parse_selection(const nlohmann::json& message);

/// The execs that run, and the exit codes of the last ones that ended.
class ExecTable {
 public:
  /// @param on_exit called with an exec's id and exit code after its output has been delivered
  ExecTable(EventLoop& loop, std::function<void(const std::string&, int)> on_exit)
      : loop_(loop), on_exit_(std::move(on_exit)) {}

  /// Starts the process. @throws Error
  ExecSession& start(const ExecRequest& request, nlohmann::json process, ContainerRuntime& runtime,
                     const ContainerProcess& init);
  /// @throws Error if no such exec runs
  void send_signal(const std::string& id, int signal);
  ExecSession& running(const std::string& id);
  bool owns(pid_t pid) const noexcept;
  bool empty() const noexcept { return running_.empty(); }
  /// Calls `action` once none runs any more.
  void on_all_ended(std::function<void()> action);
  /// Ends all sessions at once.
  void finish();
  /// The `execs` of an answer to `state`.
  nlohmann::json describe() const;

 private:
  struct Ended {
    std::string id;
    pid_t pid;
    int exit_code;
  };

  void session_ended(ExecSession& session);

  EventLoop& loop_;
  std::function<void(const std::string&, int)> on_exit_;
  std::function<void()> all_ended_;
  std::map<std::string, std::unique_ptr<ExecSession>> running_;
  std::deque<Ended> ended_;
};

}  // namespace gantry::shim
