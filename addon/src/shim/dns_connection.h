#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "shim/dns_client.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// A client that asks over TCP, any number of questions one after the other or all at once.
class DnsConnection final : public EventHandler {
 public:
  /// @param closed called once, when the client has gone or was dropped; the connection is not used afterwards
  DnsConnection(EventLoop& loop, UniqueFd socket, uint64_t number, DnsService& service,
                std::function<void(DnsConnection&)> closed);
  ~DnsConnection();

  uint64_t number() const noexcept { return number_; }
  /// True when nothing is owed to the client.
  bool idle() const noexcept { return pending_ == 0 && unsent_.empty(); }
  /// Answers one of its questions; an empty message leaves it unanswered.
  void reply(std::string_view message);
  void close();

  void on_ready(uint32_t events) override;

 private:
  void receive();
  void serve_received();
  void flush();
  void update_interest();
  void await_activity();

  EventLoop& loop_;
  UniqueFd socket_;
  uint64_t number_;
  DnsService& service_;
  std::function<void(DnsConnection&)> closed_;
  std::string received_, unsent_;
  size_t pending_ = 0;
  bool input_ended_ = false;
  bool serving_ = false;
  bool active_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace gantry::shim
