#include "network/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "network/address.h"
#include "network/netlink.h"

namespace gantry {
namespace {

/// What names a flow to the kernel, as it has sent it.
struct Flow {
  std::string original, zone, id;
};

constexpr uint16_t message_type(uint16_t message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

nfgenmsg header_of(int family) {
  nfgenmsg header = {};
  header.nfgen_family = static_cast<uint8_t>(family);
  header.version = NFNETLINK_V0;
  return header;
}

/// Whether a reply comes by UDP from one of the addresses.
bool comes_from(const char* tuple, size_t length, const std::vector<NetworkAddress>& addresses) {
  std::string source;
  uint8_t protocol = 0;
  for_each_attribute(tuple, length, [&](uint16_t type, const char* data, size_t size) {
    for_each_attribute(data, size, [&](uint16_t inner, const char* value, size_t value_size) {
      if (type == CTA_TUPLE_IP && (inner == CTA_IP_V4_SRC || inner == CTA_IP_V6_SRC)) source.assign(value, value_size);
      if (type == CTA_TUPLE_PROTO && inner == CTA_PROTO_NUM && value_size > 0) protocol = static_cast<uint8_t>(*value);
    });
  });
  return protocol == IPPROTO_UDP && std::any_of(addresses.begin(), addresses.end(), [&](const auto& each) {
           return each.size() == source.size() && std::memcmp(each.bytes.data(), source.data(), source.size()) == 0;
         });
}

std::vector<Flow> flows_of(NetlinkSocket& netlink, int family, const std::vector<NetworkAddress>& addresses) {
  std::vector<Flow> result;
  NetlinkBatch batch;
  batch.message(message_type(IPCTNL_MSG_CT_GET), NLM_F_DUMP, header_of(family), "list tracked flows");
  netlink.query(batch, [&](const nlmsghdr& message) {
    Flow flow;
    bool wanted = false;
    const char* body = static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(nfgenmsg));
    for_each_attribute(body, NLMSG_PAYLOAD(&message, sizeof(nfgenmsg)),
                       [&](uint16_t type, const char* data, size_t size) {
                         if (type == CTA_TUPLE_ORIG) flow.original.assign(data, size);
                         if (type == CTA_TUPLE_REPLY) wanted = comes_from(data, size, addresses);
                         if (type == CTA_ZONE) flow.zone.assign(data, size);
                         if (type == CTA_ID) flow.id.assign(data, size);
                       });
    if (wanted) result.push_back(std::move(flow));
  });
  return result;
}

}  // namespace

void forget_udp_flows(const std::vector<std::string>& addresses) {
  NetlinkSocket netlink(NETLINK_NETFILTER);
  for (const int family : {AF_INET, AF_INET6}) {
    std::vector<NetworkAddress> wanted;
    for (const std::string& text : addresses)
      if (const NetworkAddress address = parse_address(text); address.family == family) wanted.push_back(address);
    if (wanted.empty()) continue;
    for (const Flow& flow : flows_of(netlink, family, wanted)) {
      NetlinkBatch batch;
      // It may have ended in the meantime.
      batch.message(message_type(IPCTNL_MSG_CT_DELETE), 0, header_of(family), "forget a tracked flow", ENOENT);
      batch.attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.original.data(), flow.original.size());
      if (!flow.zone.empty()) batch.attribute(CTA_ZONE, flow.zone.data(), flow.zone.size());
      batch.attribute(CTA_ID, flow.id.data(), flow.id.size());
      netlink.run(batch);
    }
  }
}

}  // namespace gantry
