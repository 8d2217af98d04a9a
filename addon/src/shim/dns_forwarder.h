#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "shim/dns_exchange.h"

namespace gantry::shim {

/// All queries that wait for other servers.
class DnsForwarder {
 public:
  using Reply = std::function<void(const DnsClient&, std::string_view message)>;

  DnsForwarder(EventLoop& loop, const ContainerNetwork& network, Reply reply)
      : loop_(loop), network_(network), reply_(std::move(reply)) {}

  /// Refuses when too many wait already.
  void forward(const DnsClient& client, std::string_view message, const dns::Query& query,
               std::shared_ptr<const DnsConfig> config);

 private:
  void on_done(DnsExchange& exchange, const std::string& reply);

  EventLoop& loop_;
  const ContainerNetwork& network_;
  Reply reply_;
  std::unordered_map<DnsExchange*, std::unique_ptr<DnsExchange>> exchanges_;
};

}  // namespace gantry::shim
