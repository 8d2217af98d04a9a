#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "shim/connections.h"
#include "shim/dns_server.h"
#include "shim/event_loop.h"
#include "shim/exec_table.h"
#include "shim/orphan_reaper.h"
#include "shim/published_ports.h"
#include "shim/supervised_container.h"

namespace gantry::shim {

/// One container from its creation to its exit record, as docs/shim-protocol.md says.
class Supervisor {
 public:
  /// Works in the bundle, the working directory.
  /// @param control the first control connection
  /// @param network_namespace kept open until the container has ended; may be empty
  /// @param port_sockets bound to the ports that the container publishes
  Supervisor(UniqueFd control, UniqueFd network_namespace, std::vector<UniqueFd> port_sockets);
  /// Returns when there is nothing left to supervise.
  void run();

 private:
  using Status = SupervisedContainer::Status;

  void on_message(MessageConnection& connection, const std::string& text);
  void on_first_message(MessageConnection& connection, const nlohmann::json& message);
  void on_request(MessageConnection& connection, const nlohmann::json& request);
  nlohmann::json answer(const nlohmann::json& request, const std::string& type);
  nlohmann::json launch(bool create, bool start);
  void update_dns();
  nlohmann::json resize(const nlohmann::json& request);
  nlohmann::json state() const;
  void attach(MessageConnection& connection, const nlohmann::json& message);
  void exec(MessageConnection& connection, const nlohmann::json& message);

  void on_abandoned();
  void on_container_exited();
  void on_processes_ended();
  void record_exit();
  void announce_exit();
  void clean_up() noexcept;
  void give_up() noexcept;
  void end_when_flushed();

  EventLoop loop_;
  UniqueFd network_namespace_;
  PublishedPorts ports_;
  /// While the container is on a network with names.
  std::unique_ptr<DnsServer> dns_;
  SupervisedContainer container_;
  ExecTable execs_;
  /// Only with an external runtime.
  std::unique_ptr<OrphanReaper> orphans_;
  Connections connections_;
  /// Requests that are answered once the exit record is on disk.
  std::vector<std::function<void()>> waiting_for_exit_;
  EventLoop::TimerId grace_ = 0;
  bool output_ended_ = false;
  bool execs_ended_ = false;
  bool ending_ = false;
  bool clients_done_ = false;
};

}  // namespace gantry::shim
