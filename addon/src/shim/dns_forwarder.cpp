#include "shim/dns_forwarder.h"

#include "dns/reply.h"

namespace gantry::shim {
namespace {

/// Docker's number.
constexpr size_t kMaxExchanges = 1024;

}  // namespace

void DnsForwarder::forward(const DnsClient& client, std::string_view message, const dns::Query& query,
                           std::shared_ptr<const DnsConfig> config) {
  if (exchanges_.size() >= kMaxExchanges) return reply_(client, dns::empty_reply(query, dns::Rcode::kRefused));
  auto exchange =
      std::make_unique<DnsExchange>(loop_, network_, std::move(config), client, message,
                                    [this](DnsExchange& done, const std::string& reply) { on_done(done, reply); });
  DnsExchange& started = *exchange;
  exchanges_.emplace(&started, std::move(exchange));
  started.start();
}

void DnsForwarder::on_done(DnsExchange& exchange, const std::string& reply) {
  const auto entry = exchanges_.find(&exchange);
  if (entry == exchanges_.end()) return;
  // It is still at work, and counts no longer.
  std::shared_ptr<DnsExchange> done = std::move(entry->second);
  exchanges_.erase(entry);
  loop_.defer([done]() mutable { done.reset(); });
  reply_(done->client(), reply);
}

}  // namespace gantry::shim
