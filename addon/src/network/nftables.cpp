#include "network/nftables.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "isolation/error.h"

namespace gantry {
namespace {

/// How often a list that changes while it is read is begun.
constexpr int ATTEMPTS = 20;

static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
              NFTA_SET_ELEM_LIST_TABLE == 1);

constexpr uint16_t message_type(uint16_t message) { return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message); }

nfgenmsg header_of(uint8_t family) {
  nfgenmsg header = {};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  return header;
}

/// The first and the last message of a transaction.
void add_boundary(NetlinkBatch& batch, uint16_t type) {
  nfgenmsg header = header_of(AF_UNSPEC);
  header.res_id = htons(NFNL_SUBSYS_NFTABLES);
  batch.silent_message(type, header, "change nftables");
}

struct Family {
  uint8_t number;
  const char* name;
};

constexpr Family FAMILIES[] = {
    {NFPROTO_INET, "inet"}, {NFPROTO_IPV4, "ip"},       {NFPROTO_IPV6, "ip6"},
    {NFPROTO_ARP, "arp"},   {NFPROTO_BRIDGE, "bridge"}, {NFPROTO_NETDEV, "netdev"},
};

}  // namespace

const char* family_name(uint8_t family) {
  for (const Family& each : FAMILIES)
    if (each.number == family) return each.name;
  return "unknown";
}

uint8_t parse_family(const std::string& name) {
  for (const Family& each : FAMILIES)
    if (each.name == name) return each.number;
  throw Error("find nftables family " + name, EINVAL);
}

std::string to_text(const NftablesTable& table) { return std::string(family_name(table.family)) + " " + table.name; }

void add_number(NetlinkBatch& batch, uint16_t type, uint32_t value) { batch.attribute(type, htonl(value)); }

void add_number(NetlinkBatch& batch, uint16_t type, uint64_t value) {
  const uint64_t number = htobe64(value);
  batch.attribute(type, &number, sizeof number);
}

NftablesAttributes::NftablesAttributes(const char* data, size_t size) {
  for_each_attribute(data, size, [this](uint16_t type, const char* value, size_t length) {
    if (type < data_.size()) data_[type] = {value, length};
  });
}

uint32_t NftablesAttributes::number32(uint16_t type) const {
  uint32_t number = 0;
  if (data(type).size() == sizeof number) std::memcpy(&number, data(type).data(), sizeof number);
  return ntohl(number);
}

uint64_t NftablesAttributes::number64(uint16_t type) const {
  uint64_t number = 0;
  if (data(type).size() == sizeof number) std::memcpy(&number, data(type).data(), sizeof number);
  return be64toh(number);
}

std::string NftablesAttributes::text(uint16_t type) const {
  const std::string_view whole = data(type);
  return std::string(whole.substr(0, whole.find('\0')));
}

NftablesTransaction::NftablesTransaction() { add_boundary(batch_, NFNL_MSG_BATCH_BEGIN); }

NetlinkBatch& NftablesTransaction::request(uint16_t message, uint16_t flags, const NftablesTable& table,
                                           std::string operation) {
  batch_.message(message_type(message), flags, header_of(table.family), std::move(operation));
  batch_.attribute(NFTA_TABLE_NAME, table.name);
  return batch_;
}

NftablesConnection::NftablesConnection() : socket_(NETLINK_NETFILTER) {}

void NftablesConnection::commit(NftablesTransaction& transaction) {
  add_boundary(transaction.batch_, NFNL_MSG_BATCH_END);
  const std::lock_guard<std::mutex> lock(mutex_);
  socket_.commit(transaction.batch_);
}

void NftablesConnection::list(uint16_t message, uint8_t family, const std::string& operation,
                              const std::function<void(NetlinkBatch&)>& begin, const Visit& visit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (int attempt = 0; attempt < ATTEMPTS; ++attempt) {
    NetlinkBatch batch;
    batch.message(message_type(message), NLM_F_DUMP, header_of(family), operation);
    begin(batch);
    const bool consistent = socket_.query(batch, [&](const nlmsghdr& answer) {
      if (NFNL_SUBSYS_ID(answer.nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
          answer.nlmsg_len < NLMSG_LENGTH(sizeof(nfgenmsg)))
        return;
      const auto& header = *static_cast<const nfgenmsg*>(NLMSG_DATA(&answer));
      const char* body = static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof header);
      visit(header.nfgen_family, NftablesAttributes(body, NLMSG_PAYLOAD(&answer, sizeof header)));
    });
    if (consistent) return;
  }
  throw Error(operation, EBUSY, "it changes all the time");
}

}  // namespace gantry
