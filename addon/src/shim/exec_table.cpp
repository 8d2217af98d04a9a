#include "shim/exec_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "isolation/system_calls.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

constexpr size_t kMaxRemembered = 128;
constexpr size_t kMaxIdLength = 256;

}  // namespace

StreamSelection parse_selection(const json& message) {
  return {message.value("stdin", false), message.value("stdout", false), message.value("stderr", false)};
}

ExecRequest parse_exec_request(const json& message) {
  ExecRequest request;
  request.id = message.at("execId").get<std::string>();
  if (request.id.empty() || request.id.size() > kMaxIdLength) throw Error("exec", EINVAL, "execId");
  request.detach = message.value("detach", false);
  if (!request.detach) request.streams = parse_selection(message);
  request.terminal = message.at("process").value("terminal", false);
  return request;
}

ExecSession& ExecTable::start(const ExecRequest& request, json process, ContainerRuntime& runtime,
                              const ContainerProcess& init) {
  if (running_.count(request.id) != 0) throw Error("exec", EEXIST, "an exec with this id is running");
  std::optional<ProcessStdio> stdio;
  if (!request.terminal) {
    stdio.emplace(ProcessStdio::Wanted{request.streams.input, request.streams.output, request.streams.error});
  }
  auto started = runtime.exec(std::move(process), init, stdio ? stdio->process_ends() : Stdio{});
  if (stdio) stdio->close_process_ends();
  started->start();
  OwnEnds ends = request.terminal ? terminal_ends(started->take_terminal()) : stdio->take_own_ends();
  auto session = std::make_unique<ExecSession>(loop_, request.id, std::move(started), std::move(ends), request.terminal,
                                               [this](ExecSession& ended) { session_ended(ended); });
  return *running_.emplace(request.id, std::move(session)).first->second;
}

void ExecTable::session_ended(ExecSession& session) {
  ended_.push_back({session.id(), session.process().pid(), session.exit_code()});
  if (ended_.size() > kMaxRemembered) ended_.pop_front();
  on_exit_(session.id(), session.exit_code());
  // The session is still at work.
  loop_.defer([this, id = session.id()] {
    running_.erase(id);
    if (running_.empty() && all_ended_) std::exchange(all_ended_, nullptr)();
  });
}

void ExecTable::send_signal(const std::string& id, int signal) {
  ExecSession& session = running(id);
  if (session.exited()) throw Error("kill-exec", ESRCH);
  check(sys::pidfd_send_signal(session.process().pidfd(), signal), "kill-exec");
}

ExecSession& ExecTable::running(const std::string& id) {
  auto found = running_.find(id);
  if (found == running_.end()) throw Error("exec " + id, ESRCH);
  return *found->second;
}

bool ExecTable::owns(pid_t pid) const noexcept {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    return !entry.second->exited() && entry.second->process().pid() == pid;
  });
}

void ExecTable::on_all_ended(std::function<void()> action) {
  if (running_.empty()) return loop_.defer(std::move(action));
  all_ended_ = std::move(action);
}

void ExecTable::finish() {
  for (auto& [id, session] : running_) session->finish();
}

json ExecTable::describe() const {
  json list = json::array();
  for (const auto& each : ended_)
    list.push_back({{"execId", each.id}, {"pid", each.pid}, {"running", false}, {"exitCode", each.exit_code}});
  for (const auto& [id, session] : running_)
    list.push_back({{"execId", id}, {"pid", session->process().pid()}, {"running", true}});
  return list;
}

}  // namespace gantry::shim
