#include "dns/names.h"

#include <arpa/inet.h>

namespace gantry::dns {
namespace {

void read_addresses(std::string_view list, Addresses& found) {
  while (!list.empty()) {
    const size_t length = std::min(list.find(' '), list.size());
    const std::string text(list.substr(0, length));
    list.remove_prefix(std::min(length + 1, list.size()));
    char bytes[16];
    if (inet_pton(AF_INET, text.c_str(), bytes) == 1)
      found.ipv4.emplace_back(bytes, 4);
    else if (inet_pton(AF_INET6, text.c_str(), bytes) == 1)
      found.ipv6.emplace_back(bytes, 16);
  }
}

/// What is left of "web.frontend" on the network "frontend"; empty elsewhere.
std::string_view without_network(std::string_view name, std::string_view network) noexcept {
  if (network.empty() || name.size() < network.size() + 2) return {};
  const size_t dot = name.size() - network.size() - 1;
  return name[dot] == '.' && name.substr(dot + 1) == network ? name.substr(0, dot) : std::string_view{};
}

std::optional<std::string_view> find_in(const NameTable& table, const Names& names, std::string_view name) {
  if (name.empty() || name.front() == '@') return std::nullopt;
  auto link = names.links.find(name);
  if (link != names.links.end()) {
    if (auto line = table.find(link->second)) return line;
  }
  return table.find(name);
}

}  // namespace

Addresses find_addresses(const Names& names, std::string_view name) {
  Addresses found;
  for (const NameTable& table : names.networks) {
    auto line = find_in(table, names, name);
    if (!line) line = find_in(table, names, without_network(name, table.network()));
    if (!line) continue;
    found.known = true;
    // The addresses of one family all come from one network, the first that has any.
    Addresses here;
    read_addresses(*line, here);
    if (found.ipv4.empty()) found.ipv4 = std::move(here.ipv4);
    if (found.ipv6.empty()) found.ipv6 = std::move(here.ipv6);
  }
  return found;
}

std::string_view find_host(const Names& names, std::string_view address) {
  const std::string key = "@" + std::string(address);
  for (const NameTable& table : names.networks) {
    if (auto host = table.find(key)) return *host;
  }
  return {};
}

}  // namespace gantry::dns
