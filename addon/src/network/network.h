#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Creates the bridge if it is absent, sets its mtu (0: leave it), brings it up and gives it exactly these addresses
/// ("172.18.0.1/16"). Addresses of a family that has none in the list are left alone. @throws Error
void ensure_bridge(const std::string& name, const std::vector<std::string>& addresses, uint32_t mtu);

bool link_exists(const std::string& name);
/// Absence is fine. Takes a grace period of the kernel (some 20 ms) for a veth.
void delete_link(const std::string& name);

/// A new network namespace with its loopback up. It lives as long as a descriptor or a process is in it.
UniqueFd create_network_namespace();
/// The same, belonging to a new user namespace with these maps.
UniqueFd create_network_namespace(const IdMaps& ids);
/// The same, belonging to the user namespace of a process.
UniqueFd create_network_namespace(pid_t owner);

struct Endpoint {
  std::string bridge;
  std::string host_interface;
  std::string container_interface;
  std::string mac_address;
  uint32_t mtu = 0;
  std::vector<std::string> addresses;
  std::vector<std::string> gateways;
};

/// Connects a namespace to a bridge by a veth pair: addresses, routes, up. Leaves nothing behind on failure.
void create_endpoint(int network_namespace, const Endpoint& endpoint);

struct InterfaceStats {
  std::string name;
  struct Direction {
    uint64_t bytes = 0, packets = 0, errors = 0, dropped = 0;
  } rx, tx;
};

/// The counters of all interfaces but the loopback in the network namespace of a process.
std::vector<InterfaceStats> interface_stats(pid_t pid);
/// The content of /proc/net/dev.
std::vector<InterfaceStats> parse_interface_stats(const std::string& text);

/// Runs an nftables script in one transaction. @throws Error with what nft says about it
void apply_nftables(const std::string& script);

}  // namespace gantry
