#pragma once

#include <netinet/in.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "shim/container_network.h"

namespace gantry::shim {

/// The file in the bundle.
constexpr char kDnsConfig[] = "dns.json";

/// A server that queries are forwarded to.
struct DnsUpstream {
  union {
    sockaddr any;
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
  } address{};
  /// It is asked from the host's network: only there its address means what the host's resolv.conf says.
  bool from_host = false;

  socklen_t size() const noexcept {
    return address.any.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }
};

/// dns.json: what the container's DNS server knows beyond the tables of its networks. docs/shim-protocol.md describes
/// it.
struct DnsConfig {
  /// Paths of name tables, in the order of priority.
  std::vector<std::string> tables;
  std::map<std::string, std::string, std::less<>> links;
  std::vector<DnsUpstream> upstreams;
  bool search_first = false;
};

/// @throws Error or nlohmann::json::exception naming what is wrong
DnsConfig parse_dns_config(const nlohmann::json& document, const ContainerNetwork& network);

}  // namespace gantry::shim
