#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "shim/dns_connection.h"
#include "shim/dns_forwarder.h"
#include "shim/dns_sockets.h"
#include "shim/dns_tables.h"

namespace gantry::shim {

/// The container's DNS server, on 127.0.0.11:53 of its network. It answers for the networks that the container is on,
/// from the tables that the daemon writes, and forwards everything else.
class DnsServer final : public DnsService {
 public:
  /// @param network_namespace must outlive this. @throws Error
  DnsServer(EventLoop& loop, int network_namespace);
  ~DnsServer();

  void on_query(const DnsClient& client, std::string_view message) override;
  static void release_memory() noexcept { DnsExchange::release_memory(); }

 private:
  /// Gives the events of one descriptor to one function.
  class Events final : public EventHandler {
   public:
    explicit Events(std::function<void()> action) : action_(std::move(action)) {}
    void on_ready(uint32_t) override { action_(); }

   private:
    std::function<void()> action_;
  };

  void receive_datagrams();
  void accept_connection();
  void add_connection(UniqueFd socket);
  bool make_room();
  void remove_connection(DnsConnection& connection);
  void reply(const DnsClient& client, std::string_view message);

  EventLoop& loop_;
  ContainerNetwork network_;
  DnsTables tables_;
  DnsForwarder forwarder_;
  std::minstd_rand random_;
  DnsSockets sockets_;
  Events on_datagrams_, on_connections_;
  /// The oldest first.
  std::vector<std::unique_ptr<DnsConnection>> connections_;
  uint64_t next_number_ = 1;
  EventLoop::TimerId retry_ = 0;
};

}  // namespace gantry::shim
