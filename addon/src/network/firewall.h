#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network/nftables.h"

namespace gantry {

/// An element of one of the sets and maps of our table (firewall.cpp), which say what its fields hold.
struct FirewallElement {
  std::string set;
  std::vector<std::string> key, value;
};

/// Makes our table, `inet <name>`, with these elements, in place of one that is there. @throws Error
void install_firewall(NftablesConnection& nftables, const std::string& name,
                      const std::vector<FirewallElement>& elements);

/// Elements in place of others, at one instant. What is removed may be absent. @throws Error
void change_firewall(NftablesConnection& nftables, const std::string& name, const std::vector<FirewallElement>& removed,
                     const std::vector<FirewallElement>& added);

/// Absence is fine. @throws Error
void remove_firewall(NftablesConnection& nftables, const std::string& name);

/// The bit of a packet's mark by which our table says that a forwarded packet may pass. It is set while the packet is
/// being forwarded, when routing has been decided, and ends with the packet.
constexpr uint32_t SETTLED_MARK = 0x10000000;

}  // namespace gantry
