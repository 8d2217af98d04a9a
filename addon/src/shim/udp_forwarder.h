#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "shim/published_ports.h"

namespace gantry::shim {

class UdpSession;

/// Takes datagrams from a port of the host to the container and its answers back, one socket for each peer.
class UdpForwarder final : public PortForwarder, public EventHandler {
 public:
  UdpForwarder(EventLoop& loop, UniqueFd socket);
  ~UdpForwarder() override;

  void set_target(std::optional<SocketAddress> target) override;
  void on_ready(uint32_t events) override;

 private:
  friend class UdpSession;
  UdpSession* session_for(const SocketAddress& peer, const std::string& local);
  void forget_idle();

  EventLoop& loop_;
  UniqueFd socket_;
  std::optional<SocketAddress> target_;
  /// By the peer and the address that it asked.
  std::map<std::string, std::unique_ptr<UdpSession>> sessions_;
  EventLoop::TimerId sweep_ = 0;
};

}  // namespace gantry::shim
