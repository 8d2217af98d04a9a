#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"
#include "shim/socket_address.h"

namespace gantry::shim {

/// Carries to the container what arrives at a port of the host and netfilter has left there.
class PortForwarder {
 public:
  virtual ~PortForwarder() = default;
  /// Where to, from now on; nothing to turn everybody away.
  virtual void set_target(std::optional<SocketAddress> target) = 0;
};

/// The ports of the host that this container holds: sockets that the daemon has bound, which keep everybody else from
/// the ports for as long as the container lives, whether there is a daemon or not.
class PublishedPorts {
 public:
  /// @param sockets in the order of `ports` in shim.json; empty ones hold nothing
  PublishedPorts(EventLoop& loop, std::vector<UniqueFd> sockets) : loop_(loop), sockets_(std::move(sockets)) {}

  /// Begins to forward. @param ports `ports` of shim.json @throws Error
  void open(const nlohmann::json& ports);
  /// Replaces the targets: the container has an address in another network now. @throws Error
  void set_targets(const nlohmann::json& ports);
  /// Gives the ports back and ends all connections.
  void close() noexcept;

 private:
  EventLoop& loop_;
  std::vector<UniqueFd> sockets_;
  std::vector<std::unique_ptr<PortForwarder>> forwarders_;
};

}  // namespace gantry::shim
