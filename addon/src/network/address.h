#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "network/netlink.h"

namespace gantry {

/// An IPv4 or IPv6 address with the length of its network's prefix.
struct NetworkAddress {
  int family = 0;
  std::array<uint8_t, 16> bytes = {};
  uint8_t prefix = 0;

  size_t size() const;
  bool operator==(const NetworkAddress& other) const;
};

/// "172.18.0.2/16" or "fd00::2/64"; without a prefix, that of a single host. @throws Error
NetworkAddress parse_address(const std::string& text);

/// "02:42:ac:12:00:02". @throws Error
std::array<uint8_t, 6> parse_mac_address(const std::string& text);

/// A link's name as the kernel accepts it, so that it is also safe in a path below /proc/sys. @throws Error
void require_interface_name(const std::string& name);

/// Adds an address to a link. IPv6 addresses are usable at once: the engine has made sure that nobody else has them.
void add_address(NetlinkBatch& batch, uint32_t link, const NetworkAddress& address, const std::string& text);
void remove_address(NetlinkBatch& batch, uint32_t link, const NetworkAddress& address);

/// Sets a sysctl of one interface in the thread's network namespace: ("ipv6", "eth0", "accept_ra", "0").
/// A kernel without IPv6 has none of its files, and needs none.
void set_interface_sysctl(const char* protocol, const std::string& interface, const char* name, const char* value);
/// The same for a value that a user gave; the file must exist. @throws Error
void write_interface_sysctl(const std::string& protocol, const std::string& group, const std::string& interface,
                            const std::string& name, const std::string& value);

}  // namespace gantry
