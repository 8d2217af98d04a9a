#include "network/endpoint.h"

#include <linux/if_link.h>
#include <linux/veth.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "isolation/error.h"
#include "network/link.h"

namespace gantry {
namespace {

uint32_t macvlan_mode(const std::string& name) {
  static const std::map<std::string, uint32_t> MODES = {{"", MACVLAN_MODE_BRIDGE},
                                                        {"bridge", MACVLAN_MODE_BRIDGE},
                                                        {"private", MACVLAN_MODE_PRIVATE},
                                                        {"vepa", MACVLAN_MODE_VEPA},
                                                        {"passthru", MACVLAN_MODE_PASSTHRU}};
  const auto found = MODES.find(name);
  if (found == MODES.end()) throw Error("use macvlan mode \"" + name + "\"", EINVAL);
  return found->second;
}

uint16_t ipvlan_mode(const std::string& name) {
  static const std::map<std::string, uint16_t> MODES = {
      {"", IPVLAN_MODE_L2}, {"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
  const auto found = MODES.find(name);
  if (found == MODES.end()) throw Error("use ipvlan mode \"" + name + "\"", EINVAL);
  return found->second;
}

uint16_t ipvlan_flag(const std::string& name) {
  static const std::map<std::string, uint16_t> FLAGS = {
      {"", 0}, {"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};
  const auto found = FLAGS.find(name);
  if (found == FLAGS.end()) throw Error("use ipvlan flag \"" + name + "\"", EINVAL);
  return found->second;
}

/// The name, mtu and address that the container's side is to have.
void describe_container_side(NetlinkBatch& batch, const Endpoint& endpoint, int network_namespace) {
  batch.attribute(IFLA_IFNAME, endpoint.container_interface);
  batch.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(network_namespace));
  if (endpoint.mtu != 0) batch.attribute(IFLA_MTU, endpoint.mtu);
  if (endpoint.mac_address.empty()) return;
  const auto mac = parse_mac_address(endpoint.mac_address);
  batch.attribute(IFLA_ADDRESS, mac.data(), mac.size());
}

void describe_veth(NetlinkBatch& batch, const Endpoint& endpoint, uint32_t bridge, int network_namespace) {
  batch.attribute(IFLA_IFNAME, endpoint.host_interface);
  batch.attribute(IFLA_MASTER, bridge);
  if (endpoint.mtu != 0) batch.attribute(IFLA_MTU, endpoint.mtu);
  const size_t info = batch.open(IFLA_LINKINFO);
  batch.attribute(IFLA_INFO_KIND, std::string_view("veth"));
  const size_t data = batch.open(IFLA_INFO_DATA);
  const size_t peer = batch.open(VETH_INFO_PEER);
  const ifinfomsg peer_header = {};
  batch.raw(&peer_header, sizeof peer_header);
  describe_container_side(batch, endpoint, network_namespace);
  batch.close(peer);
  batch.close(data);
  batch.close(info);
}

void describe_shared(NetlinkBatch& batch, const Endpoint& endpoint, uint32_t parent, int network_namespace) {
  describe_container_side(batch, endpoint, network_namespace);
  batch.attribute(IFLA_LINK, parent);
  const size_t info = batch.open(IFLA_LINKINFO);
  batch.attribute(IFLA_INFO_KIND, std::string_view(endpoint.kind));
  const size_t data = batch.open(IFLA_INFO_DATA);
  if (endpoint.kind == "macvlan") {
    batch.attribute(IFLA_MACVLAN_MODE, macvlan_mode(endpoint.mode));
  } else {
    const uint16_t mode = ipvlan_mode(endpoint.mode), flag = ipvlan_flag(endpoint.flag);
    batch.attribute(IFLA_IPVLAN_MODE, &mode, sizeof mode);
    batch.attribute(IFLA_IPVLAN_FLAGS, &flag, sizeof flag);
  }
  batch.close(data);
  batch.close(info);
}

/// Nobody speaks to the bridge's end of a link. A link-local address of IPv6 there would cost the kernel the more the
/// more ports there are: it goes through the routes of all of them, with the lock that the next container waits for.
void leave_without_address(NetlinkBatch& batch, uint32_t link) {
  static const bool has_ipv6 = ::access("/proc/sys/net/ipv6", F_OK) == 0;
  if (!has_ipv6) return;
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link);
  batch.message(RTM_SETLINK, 0, header, "set up bridge port");
  const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  const size_t families = batch.open(IFLA_AF_SPEC);
  const size_t ipv6 = batch.open(AF_INET6);
  batch.attribute(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
  batch.close(ipv6);
  batch.close(families);
}

}  // namespace

EndpointPlan::EndpointPlan(const Endpoint& source) : endpoint(source) {
  require_interface_name(source.parent);
  if (source.kind == "bridge") require_interface_name(source.host_interface);
  require_interface_name(source.container_interface);
  for (const std::string& text : source.addresses) addresses.push_back(parse_address(text));
}

bool EndpointPlan::has_ipv6() const {
  return std::any_of(addresses.begin(), addresses.end(), [](const auto& each) { return each.family == AF_INET6; });
}

void EndpointPlan::create(NetlinkSocket& host, NetlinkBatch& batch, int network_namespace) const {
  const uint32_t parent = host.link_index(endpoint.parent);
  const bool veth = endpoint.kind == "bridge";
  const std::string operation =
      "create network interface " + (veth ? endpoint.host_interface : endpoint.container_interface);
  if (parent == 0) {
    throw Error(operation, ENODEV, (veth ? "there is no bridge " : "there is no network interface ") + endpoint.parent);
  }
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{}, operation);
  if (veth)
    describe_veth(batch, endpoint, parent, network_namespace);
  else
    describe_shared(batch, endpoint, parent, network_namespace);
}

void EndpointPlan::set_sysctls() const {
  const std::string& name = endpoint.container_interface;
  if (has_ipv6()) {
    set_interface_sysctl("ipv6", name, "disable_ipv6", "0");
    set_interface_sysctl("ipv6", name, "accept_ra", "0");
    set_interface_sysctl("ipv6", name, "accept_dad", "0");
  } else {
    set_interface_sysctl("ipv6", name, "disable_ipv6", "1");
  }
  for (const Endpoint::Sysctl& each : endpoint.sysctls)
    write_interface_sysctl(each.family, each.group, name, each.name, each.value);
}

void EndpointPlan::configure(NetlinkSocket& inside, NetlinkBatch& batch) const {
  const std::string& name = endpoint.container_interface;
  const uint32_t link = inside.link_index(name);
  for (size_t i = 0; i < addresses.size(); ++i) add_address(batch, link, addresses[i], endpoint.addresses[i]);
  batch.message(RTM_NEWLINK, 0, link_up(link), "bring network interface " + name + " up");
}

void EndpointPlan::bring_host_end_up(NetlinkSocket& host, NetlinkBatch& batch) const {
  if (endpoint.kind != "bridge") return;
  const uint32_t link = host.link_index(endpoint.host_interface);
  leave_without_address(batch, link);
  if (endpoint.isolated || endpoint.hairpin) {
    ifinfomsg header = {};
    header.ifi_family = PF_BRIDGE;
    header.ifi_index = static_cast<int>(link);
    batch.message(RTM_SETLINK, 0, header, "set up bridge port " + endpoint.host_interface);
    const uint8_t isolated = endpoint.isolated ? 1 : 0, hairpin = endpoint.hairpin ? 1 : 0;
    const size_t port = batch.open(IFLA_PROTINFO);
    batch.attribute(IFLA_BRPORT_ISOLATED, &isolated, sizeof isolated);
    batch.attribute(IFLA_BRPORT_MODE, &hairpin, sizeof hairpin);
    batch.close(port);
  }
  batch.message(RTM_NEWLINK, 0, link_up(link), "bring network interface " + endpoint.host_interface + " up");
}

}  // namespace gantry
