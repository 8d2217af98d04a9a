#include "network/link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "isolation/error.h"
#include "network/address.h"
#include "network/network.h"

namespace gantry {

ifinfomsg link_up(uint32_t link) {
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link);
  header.ifi_flags = header.ifi_change = IFF_UP;
  return header;
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

namespace {

constexpr std::chrono::milliseconds PATIENCE_WITH_CARRIERS(20);
/// The work for an address waits for everybody who changes links: for the end of namespaces, above all. Usually it is
/// done at once. After a second it would be too late: neighbours ask again.
constexpr std::chrono::milliseconds PATIENCE_WITH_ADDRESSES(1000);

/// Looks again and again until it is so, but not for ever: what is late then comes about by itself.
template <typename Condition>
void await(Condition condition, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + patience;
  while (!condition() && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

bool is_local(NetlinkSocket& netlink, const NetworkAddress& address) {
  rtmsg header = {};
  header.rtm_family = static_cast<uint8_t>(address.family);
  header.rtm_dst_len = static_cast<uint8_t>(address.size() * 8);
  NetlinkBatch batch;
  batch.message(RTM_GETROUTE, 0, header, "look for the route to an address", ENETUNREACH);
  batch.attribute(RTA_DST, address.bytes.data(), address.size());
  bool result = false;
  netlink.query(batch, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWROUTE)
      result = static_cast<const rtmsg*>(NLMSG_DATA(&message))->rtm_type == RTN_LOCAL;
  });
  return result;
}

}  // namespace

/// The kernel tells the queues and the bridge of a carrier from a work queue, and what is sent before is lost: an ARP
/// request, that is, which is repeated only a second later. Newer kernels catch up when they are asked; older ones need
/// a moment. A link that is not up after it (a bridge that waits for its spanning tree) is up later.
void await_carrier(NetlinkSocket& netlink, const std::string& name) {
  const uint32_t link = netlink.link_index(name);
  await([&] { return link == 0 || operational_state(netlink, link) == IF_OPER_UP; }, PATIENCE_WITH_CARRIERS);
}

/// A work queue, again, has an address of IPv6 join the group by which neighbours look for it, and then makes its local
/// route. What is sent to it before is lost, and neighbours repeat their question a second later.
void await_addresses(NetlinkSocket& netlink, const std::vector<NetworkAddress>& addresses) {
  for (const NetworkAddress& address : addresses) {
    const bool link_local = address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
    if (address.family != AF_INET6 || link_local) continue;
    await([&] { return is_local(netlink, address); }, PATIENCE_WITH_ADDRESSES);
  }
}

bool ensure_parent_link(const std::string& name, const std::string& kind, const std::string& parent, uint16_t vlan) {
  require_interface_name(name);
  NetlinkSocket netlink;
  if (netlink.link_index(name) != 0) return false;
  const std::string operation = "create network interface " + name;
  NetlinkBatch batch;
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_up(0), operation);
  batch.attribute(IFLA_IFNAME, name);
  if (!parent.empty()) {
    const uint32_t lower = netlink.link_index(parent);
    if (lower == 0) throw Error(operation, ENODEV, "there is no network interface " + parent);
    batch.attribute(IFLA_LINK, lower);
  }
  const size_t info = batch.open(IFLA_LINKINFO);
  batch.attribute(IFLA_INFO_KIND, std::string_view(kind));
  if (kind == "vlan") {
    const size_t data = batch.open(IFLA_INFO_DATA);
    batch.attribute(IFLA_VLAN_ID, &vlan, sizeof vlan);
    batch.close(data);
  }
  batch.close(info);
  netlink.run(batch);
  return true;
}

bool link_exists(const std::string& name) { return NetlinkSocket().link_index(name) != 0; }

void delete_link(const std::string& name) {
  require_interface_name(name);
  NetlinkBatch batch;
  batch.message(RTM_DELLINK, 0, ifinfomsg{}, "delete network interface " + name, ENODEV);
  batch.attribute(IFLA_IFNAME, name);
  NetlinkSocket().run(batch);
}

}  // namespace gantry
