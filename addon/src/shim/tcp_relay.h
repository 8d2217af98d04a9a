#pragma once

#include <cstdint>
#include <functional>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// Two connected sockets, and what goes from each to the other.
class TcpRelay {
 public:
  /// @param upstream still connecting, perhaps
  /// @param ended called once, when both have closed or either has failed; the relay may be destroyed in it
  TcpRelay(EventLoop& loop, UniqueFd client, UniqueFd upstream, std::function<void(const TcpRelay&)> ended);
  ~TcpRelay();

 private:
  struct Side final : EventHandler {
    Side(TcpRelay& owner, UniqueFd connected) : relay(owner), socket(std::move(connected)) {}
    void on_ready(uint32_t events) override { relay.on_ready(events); }
    TcpRelay& relay;
    UniqueFd socket;
    uint32_t watched = 0;
  };
  /// What goes one way.
  struct Flow {
    UniqueFd in, out;
    size_t pending = 0;
    bool ended = false;
    bool finished = false;
  };

  void on_ready(uint32_t events);
  /// @return false when a socket has failed
  bool move(Flow& flow, int from, int to);
  void watch(Side& side, uint32_t events);
  void update_interest();

  EventLoop& loop_;
  Side client_, upstream_;
  Flow to_upstream_, to_client_;
  bool connected_ = false;
  std::function<void(const TcpRelay&)> ended_;
};

}  // namespace gantry::shim
