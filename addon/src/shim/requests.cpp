// What the supervisor does with the messages of its clients.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "shim/answers.h"
#include "shim/diagnostics.h"
#include "shim/supervisor.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

bool is_launch(const std::string& type) { return type == "create" || type == "start" || type == "run"; }

}  // namespace

void Supervisor::on_message(MessageConnection& connection, const std::string& text) {
  const json message = parse_message(text);
  if (connection.is_control)
    on_request(connection, message);
  else
    on_first_message(connection, message);
}

void Supervisor::on_first_message(MessageConnection& connection, const json& message) {
  const std::string type = message.at("type").get<std::string>();
  if (type == "control") {
    connection.is_control = true;
    return;
  }
  try {
    if (type == "attach")
      attach(connection, message);
    else if (type == "exec")
      exec(connection, message);
    else
      throw Error("connect", EINVAL, "unknown type of connection " + type);
  } catch (const std::exception& error) {
    connection.send(frame({{"error", describe_error(error)}}));
    connection.close_when_flushed();
  }
}

void Supervisor::attach(MessageConnection& connection, const json& message) {
  StreamSelection selection = parse_selection(message);
  ProcessStreams* streams = container_.streams();
  if (!streams || ending_) throw Error("attach", ESRCH, "the container is not running");
  connection.send(frame({{"ok", json::object()}}));
  streams->add_client(connection.take(), selection);
}

void Supervisor::exec(MessageConnection& connection, const json& message) {
  ExecRequest request = parse_exec_request(message);
  if (container_.status() != Status::kRunning) throw Error("exec", ESRCH, "the container is not running");
  ExecSession& session = execs_.start(request, message.at("process"), container_.runtime(), container_.init());
  connection.send(frame({{"ok", {{"pid", session.process().pid()}}}}));
  if (request.detach) return connection.close_when_flushed();
  session.streams().add_client(connection.take(), request.streams);
}

void Supervisor::on_request(MessageConnection& connection, const json& request) {
  const json id = request.at("id");
  const std::string type = request.at("type").get<std::string>();
  if (!id.is_number_integer()) throw Error("read request", EBADMSG, "id");
  bool ended = container_.status() == Status::kStopping || container_.status() == Status::kStopped;
  if (type == "state" && ended && !ending_) {
    // "stopped" means that the exit record is there to be read.
    waiting_for_exit_.push_back([this, id, peer = connections_.reference(connection)] {
      if (MessageConnection* asker = peer()) asker->send(frame({{"id", id}, {"ok", state()}}));
    });
    return;
  }
  try {
    connection.send(frame({{"id", id}, {"ok", answer(request, type)}}));
  } catch (const std::exception& error) {
    connection.send(frame({{"id", id}, {"error", describe_error(error)}}));
    bool failed_to_live = container_.status() == Status::kAbsent || container_.status() == Status::kCreated;
    if (is_launch(type) && failed_to_live) give_up();
  }
}

json Supervisor::answer(const json& request, const std::string& type) {
  if (type == "create") return launch(true, false);
  if (type == "start") return launch(false, true);
  if (type == "run") return launch(true, true);
  if (type == "state") return state();
  if (type == "resize") return resize(request);
  if (type == "kill") {
    container_.send_signal(request.at("signal").get<int>());
  } else if (type == "kill-exec") {
    execs_.send_signal(request.at("execId").get<std::string>(), request.at("signal").get<int>());
  } else if (type == "dns") {
    update_dns();
  } else if (type == "reopen-log") {
    if (LogFile* log = container_.log_file()) log->reopen();
  } else if (type == "forward") {
    ports_.set_targets(request.at("ports"));
  } else {
    throw Error("handle request", EINVAL, "unknown type " + type);
  }
  return json::object();
}

json Supervisor::launch(bool create, bool start) {
  if (create) {
    update_dns();
    container_.create(start);
    ports_.open(container_.config().ports);
    if (container_.runtime().adopts_orphans()) {
      orphans_ = std::make_unique<OrphanReaper>(
          loop_, [this](pid_t pid) { return pid == container_.pid() || execs_.owns(pid); });
    }
  }
  if (start) container_.start();
  json answer{{"pid", container_.pid()}};
  if (start) answer["startedAt"] = container_.record().started_at;
  return answer;
}

/// The server is there while its configuration is; what stands in it is looked up as questions come.
void Supervisor::update_dns() {
  const bool wanted = network_namespace_ && access(kDnsConfig, F_OK) == 0;
  if (!wanted)
    dns_.reset();
  else if (!dns_)
    dns_ = std::make_unique<DnsServer>(loop_, network_namespace_.get());
}

json Supervisor::resize(const json& request) {
  auto width = request.at("width").get<unsigned>();
  auto height = request.at("height").get<unsigned>();
  if (request.contains("execId")) {
    execs_.running(request.at("execId").get<std::string>()).streams().resize(width, height);
  } else {
    if (!container_.streams()) throw Error("resize", ESRCH);
    container_.streams()->resize(width, height);
  }
  return json::object();
}

json Supervisor::state() const {
  const ExitRecord& record = container_.record();
  bool stopped = container_.status() == Status::kStopped;
  bool running = container_.status() == Status::kRunning;
  json state{{"status", stopped   ? "stopped"
                        : running ? "running"
                                  : "created"},
             {"pid", stopped ? 0 : container_.pid()},
             {"startedAt", record.started_at},
             {"execs", execs_.describe()}};
  if (stopped) {
    state["exitCode"] = record.exit_code;
    state["oomKilled"] = record.oom_killed;
  }
  return state;
}

}  // namespace gantry::shim
