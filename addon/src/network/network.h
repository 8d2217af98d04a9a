#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Creates the bridge if it is absent, sets its mtu (0: leave it), brings it up and gives it exactly these addresses
/// ("172.18.0.1/16"). Addresses of a family that has none in the list are left alone. @throws Error
void ensure_bridge(const std::string& name, const std::vector<std::string>& addresses, uint32_t mtu);

/// Creates an interface that macvlan and ipvlan networks stand on, and brings it up: "vlan" on `parent`, or "dummy".
/// One that exists is left alone. @return whether it was created
bool ensure_parent_link(const std::string& name, const std::string& kind, const std::string& parent, uint16_t vlan);

bool link_exists(const std::string& name);
/// Absence is fine. Takes a grace period of the kernel (some 20 ms) for a veth.
void delete_link(const std::string& name);

/// A new network namespace with its loopback up. It lives as long as a descriptor or a process is in it.
UniqueFd create_network_namespace();
/// The same, belonging to a new user namespace with these maps.
UniqueFd create_network_namespace(const IdMaps& ids);
/// The same, belonging to the user namespace of a process.
UniqueFd create_network_namespace(pid_t owner);

/// One interface of a container.
struct Endpoint {
  /// "bridge" (a veth pair), "macvlan" or "ipvlan".
  std::string kind = "bridge";
  /// The bridge, or the interface of the host that a macvlan or ipvlan shares.
  std::string parent;
  /// macvlan: bridge, private, vepa, passthru. ipvlan: l2, l3, l3s.
  std::string mode;
  /// ipvlan only: bridge, private, vepa.
  std::string flag;
  /// Bridge only: the name of the host's end.
  std::string host_interface;
  std::string container_interface;
  /// Empty for one that the kernel draws.
  std::string mac_address;
  uint32_t mtu = 0;
  std::vector<std::string> addresses;
  /// Bridge only: this port exchanges frames with the host and not with other isolated ports.
  bool isolated = false;
  /// Bridge only: frames may leave by the port they came from, which netfilter on bridges needs for published ports.
  bool hairpin = false;
  struct Sysctl {
    /// "ipv4" or "ipv6"; "conf" or "neigh".
    std::string family, group, name, value;
  };
  std::vector<Sysctl> sysctls;
};

/// The default route of one family; without a gateway everything is taken to be on the link.
struct DefaultRoute {
  int family = 0;
  std::string interface;
  std::string gateway;
};

/// Adds interfaces to a namespace and replaces its default routes of both families by these.
/// Leaves nothing behind on failure.
void connect_namespace(int network_namespace, const std::vector<Endpoint>& endpoints,
                       const std::vector<DefaultRoute>& routes);
/// Removes an interface from a namespace, absence is fine, and replaces the default routes.
void disconnect_namespace(int network_namespace, const std::string& interface, const std::vector<DefaultRoute>& routes);

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

}  // namespace gantry
