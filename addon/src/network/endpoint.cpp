#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "isolation/error.h"
#include "network/address.h"
#include "network/namespace_thread.h"
#include "network/netlink.h"
#include "network/network.h"

namespace gantry {
namespace {

/// An endpoint whose texts have been read.
struct Plan {
  const Endpoint& endpoint;
  std::vector<NetworkAddress> addresses, gateways;

  explicit Plan(const Endpoint& source) : endpoint(source) {
    require_interface_name(source.bridge);
    require_interface_name(source.host_interface);
    require_interface_name(source.container_interface);
    for (const std::string& text : source.addresses) addresses.push_back(parse_address(text));
    for (const std::string& text : source.gateways) gateways.push_back(parse_address(text));
  }

  bool has_ipv6() const {
    return std::any_of(addresses.begin(), addresses.end(), [](const auto& each) { return each.family == AF_INET6; });
  }
};

ifinfomsg link_up(uint32_t link) {
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link);
  header.ifi_flags = header.ifi_change = IFF_UP;
  return header;
}

/// Both ends at once, the container's already in its namespace. They stay down for now.
void create_veth(NetlinkSocket& netlink, int network_namespace, const Endpoint& endpoint) {
  const uint32_t bridge = netlink.link_index(endpoint.bridge);
  const std::string operation = "create network interface " + endpoint.host_interface;
  if (bridge == 0) throw Error(operation, ENODEV, "there is no bridge " + endpoint.bridge);

  NetlinkBatch batch;
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{}, operation);
  batch.attribute(IFLA_IFNAME, endpoint.host_interface);
  batch.attribute(IFLA_MASTER, bridge);
  if (endpoint.mtu != 0) batch.attribute(IFLA_MTU, endpoint.mtu);
  const size_t info = batch.open(IFLA_LINKINFO);
  batch.attribute(IFLA_INFO_KIND, std::string_view("veth"));
  const size_t data = batch.open(IFLA_INFO_DATA);
  const size_t peer = batch.open(VETH_INFO_PEER);
  const ifinfomsg peer_header = {};
  batch.raw(&peer_header, sizeof peer_header);
  batch.attribute(IFLA_IFNAME, endpoint.container_interface);
  batch.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(network_namespace));
  if (endpoint.mtu != 0) batch.attribute(IFLA_MTU, endpoint.mtu);
  if (!endpoint.mac_address.empty()) {
    const auto mac = parse_mac_address(endpoint.mac_address);
    batch.attribute(IFLA_ADDRESS, mac.data(), mac.size());
  }
  batch.close(peer);
  batch.close(data);
  batch.close(info);
  netlink.run(batch);
}

void add_default_route(NetlinkBatch& batch, uint32_t link, const NetworkAddress& gateway, const std::string& text) {
  rtmsg header = {};
  header.rtm_family = static_cast<uint8_t>(gateway.family);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  batch.message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header, "add default route via " + text);
  batch.attribute(RTA_GATEWAY, gateway.bytes.data(), gateway.size());
  batch.attribute(RTA_OIF, link);
}

/// Runs inside the container's namespace. @return a connection that stays in it
NetlinkSocket configure_inside(const Plan& plan) {
  const std::string& name = plan.endpoint.container_interface;
  // Before the interface goes up, or it would take a link-local address that nobody asked for.
  if (plan.has_ipv6()) {
    set_interface_sysctl("ipv6", name, "disable_ipv6", "0");
    set_interface_sysctl("ipv6", name, "accept_ra", "0");
  } else {
    set_interface_sysctl("ipv6", name, "disable_ipv6", "1");
  }

  NetlinkSocket netlink;
  const uint32_t link = netlink.link_index(name);
  NetlinkBatch batch;
  for (size_t i = 0; i < plan.addresses.size(); ++i)
    add_address(batch, link, plan.addresses[i], plan.endpoint.addresses[i]);
  batch.message(RTM_NEWLINK, 0, link_up(link), "bring network interface " + name + " up");
  for (size_t i = 0; i < plan.gateways.size(); ++i)
    add_default_route(batch, link, plan.gateways[i], plan.endpoint.gateways[i]);
  netlink.run(batch);
  return netlink;
}

uint8_t operational_state(NetlinkSocket& netlink, uint32_t link) {
  uint8_t state = IF_OPER_UNKNOWN;
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link);
  NetlinkBatch batch;
  batch.message(RTM_GETLINK, 0, header, "look at a network interface");
  netlink.query(batch, [&](const nlmsghdr& message) {
    const char* body = static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(ifinfomsg));
    for_each_attribute(body, NLMSG_PAYLOAD(&message, sizeof(ifinfomsg)),
                       [&](uint16_t type, const char* data, size_t size) {
                         if (type == IFLA_OPERSTATE && size > 0) state = static_cast<uint8_t>(*data);
                       });
  });
  return state;
}

/// The kernel tells the queues and the bridge of a carrier from a work queue, and what is sent before is lost: an ARP
/// request, that is, which is repeated only a second later. Newer kernels catch up when they are asked; older ones need
/// a moment. A link that is not up after it (a bridge that waits for its spanning tree) is up later.
void await_carrier(NetlinkSocket& netlink, const std::string& name) {
  using Clock = std::chrono::steady_clock;
  const uint32_t link = netlink.link_index(name);
  const auto deadline = Clock::now() + std::chrono::milliseconds(20);
  while (link != 0 && operational_state(netlink, link) != IF_OPER_UP && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
}

}  // namespace

void create_endpoint(int network_namespace, const Endpoint& endpoint) {
  const Plan plan(endpoint);
  NetlinkSocket netlink;
  create_veth(netlink, network_namespace, endpoint);
  try {
    std::optional<NetlinkSocket> inside;
    on_own_thread([&] {
      check(::setns(network_namespace, CLONE_NEWNET), "enter the network namespace of a container");
      inside.emplace(configure_inside(plan));
    });
    // Last: nothing reaches the bridge from an endpoint that is not finished.
    NetlinkBatch batch;
    batch.message(RTM_NEWLINK, 0, link_up(netlink.link_index(endpoint.host_interface)),
                  "bring network interface " + endpoint.host_interface + " up");
    netlink.run(batch);
    await_carrier(netlink, endpoint.host_interface);
    await_carrier(*inside, endpoint.container_interface);
    await_carrier(netlink, endpoint.bridge);
  } catch (...) {
    delete_link(endpoint.host_interface);
    throw;
  }
}

}  // namespace gantry
