#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "shim/published_ports.h"

namespace gantry::shim {

class TcpRelay;

/// Accepts connections on a port of the host and relays each to the container. Bytes never enter this process: they are
/// spliced through pipes.
class TcpForwarder final : public PortForwarder, public EventHandler {
 public:
  /// @param listener already listening
  /// @param sctp one-to-one SCTP sockets, whose messages are relayed as bytes
  TcpForwarder(EventLoop& loop, UniqueFd listener, bool sctp);
  ~TcpForwarder() override;

  void set_target(std::optional<SocketAddress> target) override { target_ = target; }
  void on_ready(uint32_t events) override;

 private:
  friend class TcpRelay;
  void pause();
  void resume();
  void begin(UniqueFd client);
  /// Called by a relay that has nothing left to do.
  void ended(const TcpRelay& relay);

  EventLoop& loop_;
  UniqueFd listener_;
  bool sctp_;
  std::optional<SocketAddress> target_;
  std::list<std::unique_ptr<TcpRelay>> relays_;
  EventLoop::TimerId paused_ = 0;
};

}  // namespace gantry::shim
