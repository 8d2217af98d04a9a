#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shim/dns_client.h"
#include "shim/dns_config.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// A query that is put to one server after the other until one of them has an answer.
/// Over UDP every try has a socket, and so a port, and an id of its own that nobody can guess.
class DnsExchange final : public EventHandler {
 public:
  /// Called once, with the answer for the client.
  using Done = std::function<void(DnsExchange&, std::string reply)>;

  DnsExchange(EventLoop& loop, const ContainerNetwork& network, std::shared_ptr<const DnsConfig> config,
              const DnsClient& client, std::string_view query, Done done);
  ~DnsExchange();

  /// May be done before it returns.
  void start() { try_next(); }
  const DnsClient& client() const noexcept { return client_; }

  void on_ready(uint32_t events) override;

  /// Gives back what reading long answers has touched.
  static void release_memory() noexcept;

 private:
  void try_next();
  bool connect_to(const DnsUpstream& upstream);
  void hang_up() noexcept;
  void receive_datagram();
  void send_rest();
  void receive_stream();
  void consider(std::string_view reply);
  void finish(std::string reply);

  EventLoop& loop_;
  const ContainerNetwork& network_;
  std::shared_ptr<const DnsConfig> config_;
  DnsClient client_;
  /// The client's message, from which `query_` was read; under another id once it has been sent.
  std::string message_;
  dns::Query query_;
  Done done_;
  size_t next_ = 0;
  uint16_t id_ = 0;
  UniqueFd socket_;
  EventLoop::TimerId timer_ = 0;
  /// Over TCP: what is still to be sent, and what has come.
  std::string unsent_, received_;
};

}  // namespace gantry::shim
