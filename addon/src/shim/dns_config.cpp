#include "shim/dns_config.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <nlohmann/json.hpp>

#include "dns/protocol.h"
#include "isolation/error.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

/// As many as a resolv.conf has, and Docker asks.
constexpr size_t kMaxUpstreams = 3;

DnsUpstream parse_upstream(const json& entry, const ContainerNetwork& network) {
  DnsUpstream upstream;
  upstream.from_host = entry.value("fromHost", false);
  const std::string text = entry.at("address");
  const size_t percent = text.find('%');
  const std::string address = text.substr(0, percent);
  if (inet_pton(AF_INET, text.c_str(), &upstream.address.ipv4.sin_addr) == 1) {
    upstream.address.ipv4.sin_family = AF_INET;
    upstream.address.ipv4.sin_port = htons(dns::kPort);
    return upstream;
  }
  sockaddr_in6& ipv6 = upstream.address.ipv6;
  ipv6 = {};
  if (inet_pton(AF_INET6, address.c_str(), &ipv6.sin6_addr) != 1)
    throw Error("read dns.json", EINVAL, "not an address: " + text);
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(dns::kPort);
  if (percent != std::string::npos) {
    const std::string name = text.substr(percent + 1);
    ipv6.sin6_scope_id = upstream.from_host ? if_nametoindex(name.c_str()) : network.interface_index(name);
  }
  return upstream;
}

}  // namespace

DnsConfig parse_dns_config(const json& document, const ContainerNetwork& network) {
  DnsConfig config;
  config.tables = document.at("networks").get<std::vector<std::string>>();
  if (auto links = document.find("links"); links != document.end()) config.links = links->get<decltype(config.links)>();
  config.search_first = document.value("searchFirst", false);
  const bool internal = document.value("internal", false);
  for (const json& entry : document.value("servers", json::array())) {
    DnsUpstream upstream = parse_upstream(entry, network);
    // From an internal network nothing leads out by way of the host; a server on the network itself may be asked.
    if (internal && upstream.from_host) continue;
    if (config.upstreams.size() < kMaxUpstreams) config.upstreams.push_back(upstream);
  }
  return config;
}

}  // namespace gantry::shim
