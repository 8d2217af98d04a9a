#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "isolation/error.h"
#include "network/address.h"
#include "network/link.h"
#include "network/netlink.h"
#include "network/network.h"

namespace gantry {
namespace {

/// Fixed from the start: a bridge without an address of its own takes the lowest of its ports', which come and go.
std::array<uint8_t, 6> random_mac_address() {
  std::array<uint8_t, 6> result = {};
  check(::getrandom(result.data(), result.size(), 0), "draw a MAC address");
  result[0] = static_cast<uint8_t>((result[0] & 0xfe) | 0x02);
  return result;
}

void create_bridge(NetlinkSocket& netlink, const std::string& name) {
  NetlinkBatch batch;
  // Somebody else may create it at the same moment.
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{}, "create bridge " + name, EEXIST);
  batch.attribute(IFLA_IFNAME, name);
  const auto mac = random_mac_address();
  batch.attribute(IFLA_ADDRESS, mac.data(), mac.size());
  const size_t info = batch.open(IFLA_LINKINFO);
  batch.attribute(IFLA_INFO_KIND, std::string_view("bridge"));
  batch.close(info);
  netlink.run(batch);
}

std::string link_kind(NetlinkSocket& netlink, uint32_t link) {
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link);
  NetlinkBatch batch;
  batch.message(RTM_GETLINK, 0, header, "look at a network interface");
  std::string kind;
  netlink.query(batch, [&](const nlmsghdr& message) {
    const char* body = static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(ifinfomsg));
    for_each_attribute(body, NLMSG_PAYLOAD(&message, sizeof(ifinfomsg)),
                       [&](uint16_t type, const char* data, size_t size) {
                         if (type != IFLA_LINKINFO) return;
                         for_each_attribute(data, size, [&](uint16_t inner, const char* text, size_t length) {
                           if (inner == IFLA_INFO_KIND) kind.assign(text, strnlen(text, length));
                         });
                       });
  });
  return kind;
}

/// The addresses of global scope on a link.
std::vector<NetworkAddress> addresses_of(NetlinkSocket& netlink, uint32_t link) {
  std::vector<NetworkAddress> result;
  NetlinkBatch batch;
  batch.message(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}, "list addresses");
  netlink.query(batch, [&](const nlmsghdr& message) {
    const auto& header = *static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
    if (header.ifa_index != link || header.ifa_scope != RT_SCOPE_UNIVERSE) return;
    NetworkAddress address;
    address.family = header.ifa_family;
    address.prefix = header.ifa_prefixlen;
    if (address.family != AF_INET && address.family != AF_INET6) return;
    const uint16_t wanted = address.family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
    for_each_attribute(&header + 1, NLMSG_PAYLOAD(&message, sizeof header),
                       [&](uint16_t type, const char* data, size_t size) {
                         if (type == wanted && size == address.size()) std::memcpy(address.bytes.data(), data, size);
                       });
    result.push_back(address);
  });
  return result;
}

}  // namespace

void ensure_bridge(const std::string& name, const std::vector<std::string>& addresses, uint32_t mtu) {
  require_interface_name(name);
  std::vector<NetworkAddress> wanted;
  for (const std::string& text : addresses) wanted.push_back(parse_address(text));

  NetlinkSocket netlink;
  uint32_t link = netlink.link_index(name);
  const bool created = link == 0;
  if (created) {
    create_bridge(netlink, name);
    link = netlink.link_index(name);
  }
  if (link_kind(netlink, link) != "bridge")
    throw Error("use " + name + " as a bridge", EEXIST, "a network interface of another kind has this name");

  const auto has_family = [&](int family) {
    return std::any_of(wanted.begin(), wanted.end(), [=](const NetworkAddress& each) { return each.family == family; });
  };
  try {
    if (has_family(AF_INET6)) {
      set_interface_sysctl("ipv6", name, "disable_ipv6", "0");
      set_interface_sysctl("ipv6", name, "accept_ra", "0");
      // What is forwarded waits for the neighbour, who is asked from the link-local address: a second late with DAD.
      set_interface_sysctl("ipv6", name, "accept_dad", "0");
    }
    const std::vector<NetworkAddress> present = addresses_of(netlink, link);
    NetlinkBatch batch;
    for (const NetworkAddress& old : present)
      if (has_family(old.family) && std::find(wanted.begin(), wanted.end(), old) == wanted.end())
        remove_address(batch, link, old);
    for (size_t i = 0; i < wanted.size(); ++i) add_address(batch, link, wanted[i], addresses[i]);
    ifinfomsg up = {};
    up.ifi_index = static_cast<int>(link);
    up.ifi_flags = up.ifi_change = IFF_UP;
    batch.message(RTM_NEWLINK, 0, up, "bring bridge " + name + " up");
    if (mtu != 0) batch.attribute(IFLA_MTU, mtu);
    netlink.run(batch);
    await_addresses(netlink, wanted);
  } catch (...) {
    if (created) delete_link(name);
    throw;
  }
}

}  // namespace gantry
