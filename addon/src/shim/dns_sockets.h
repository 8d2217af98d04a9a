#pragma once

#include <netinet/in.h>

#include <string_view>

#include "shim/container_network.h"

namespace gantry::shim {

/// What serves 127.0.0.11:53 in the container's network. The container may have a DNS server of its own on port 53 of
/// every address: where the kernel can steer traffic to other sockets, nothing of ours is bound to that port.
class DnsSockets {
 public:
  /// @throws Error
  explicit DnsSockets(const ContainerNetwork& network);

  int datagrams() const noexcept { return datagrams_.get(); }
  int listener() const noexcept { return listener_.get(); }
  /// Answers a client that has sent a datagram. What it does not take is lost, as on any network.
  void reply(const sockaddr_in& client, std::string_view message) const noexcept;

 private:
  void bind_to(const ContainerNetwork& network, in_port_t port);
  void steer(const ContainerNetwork& network);

  UniqueFd datagrams_, listener_;
  /// Sends answers from port 53 although no socket is bound to it.
  UniqueFd raw_;
  UniqueFd steering_;
};

}  // namespace gantry::shim
