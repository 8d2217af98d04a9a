#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dns/name_table.h"

namespace gantry::dns {

/// All that one container can look up.
struct Names {
  /// In the order of priority: the first network that knows a name decides.
  std::vector<NameTable> networks;
  /// Names that only this container has for others.
  std::map<std::string, std::string, std::less<>> links;
};

/// A name that nobody knows is another server's to answer.
struct Addresses {
  bool known = false;
  /// As records carry them: 4 or 16 bytes each.
  std::vector<std::string> ipv4, ipv6;
};

/// @param name lower case, with or without ".NETWORK"
Addresses find_addresses(const Names& names, std::string_view name);

/// The name that belongs to an address; "" if nobody has it.
std::string_view find_host(const Names& names, std::string_view address);

}  // namespace gantry::dns
