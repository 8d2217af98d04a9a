#include "network/nftables_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstring>

#include "isolation/error.h"

namespace gantry {
namespace {

constexpr uint32_t REGISTER_SIZE = 4;
/// Offsets in headers.
constexpr uint32_t IP_SADDR = 12, IP_DADDR = 16, IP6_SADDR = 8, IP6_DADDR = 24, TRANSPORT_DPORT = 2;
constexpr uint32_t IP_SIZE = 4, IP6_SIZE = 16, PORT_SIZE = 2;

constexpr uint32_t register_at(uint32_t position) { return NFT_REG32_00 + position; }

}  // namespace

NftablesRule::NftablesRule(NftablesTransaction& transaction, const NftablesTable& table, const std::string& chain,
                           uint16_t flags)
    : batch_(transaction.request(NFT_MSG_NEWRULE, static_cast<uint16_t>(NLM_F_CREATE | flags), table,
                                 "add a rule to nftables chain " + to_text(table) + " " + chain)) {
  batch_.attribute(NFTA_RULE_CHAIN, chain);
  expressions_ = batch_.open(NFTA_RULE_EXPRESSIONS);
}

template <typename Body>
void NftablesRule::expression(const char* name, Body body) {
  const size_t element = batch_.open(NFTA_LIST_ELEM);
  batch_.attribute(NFTA_EXPR_NAME, std::string_view(name));
  const size_t data = batch_.open(NFTA_EXPR_DATA);
  body();
  batch_.close(data);
  batch_.close(element);
}

void NftablesRule::loaded(size_t size) { next_ += static_cast<uint32_t>((size + REGISTER_SIZE - 1) / REGISTER_SIZE); }

NftablesRule& NftablesRule::meta(uint32_t key, size_t size) {
  expression("meta", [&] {
    add_number(batch_, NFTA_META_KEY, key);
    add_number(batch_, NFTA_META_DREG, register_at(next_));
  });
  loaded(size);
  return *this;
}

NftablesRule& NftablesRule::ct(uint32_t key) {
  expression("ct", [&] {
    add_number(batch_, NFTA_CT_KEY, key);
    add_number(batch_, NFTA_CT_DREG, register_at(next_));
  });
  loaded(REGISTER_SIZE);
  return *this;
}

NftablesRule& NftablesRule::payload(uint32_t base, uint32_t offset, uint32_t size) {
  expression("payload", [&] {
    add_number(batch_, NFTA_PAYLOAD_DREG, register_at(next_));
    add_number(batch_, NFTA_PAYLOAD_BASE, base);
    add_number(batch_, NFTA_PAYLOAD_OFFSET, offset);
    add_number(batch_, NFTA_PAYLOAD_LEN, size);
  });
  loaded(size);
  return *this;
}

NftablesRule& NftablesRule::protocol(uint8_t family) {
  return meta(NFT_META_NFPROTO, sizeof family).is(&family, sizeof family);
}

NftablesRule& NftablesRule::ipv4() { return protocol(NFPROTO_IPV4); }
NftablesRule& NftablesRule::ipv6() { return protocol(NFPROTO_IPV6); }
NftablesRule& NftablesRule::iifname() { return meta(NFT_META_IIFNAME, 16); }
NftablesRule& NftablesRule::oifname() { return meta(NFT_META_OIFNAME, 16); }
NftablesRule& NftablesRule::mark() { return meta(NFT_META_MARK, sizeof(uint32_t)); }
NftablesRule& NftablesRule::l4proto() { return meta(NFT_META_L4PROTO, sizeof(uint8_t)); }
NftablesRule& NftablesRule::ip_saddr() { return payload(NFT_PAYLOAD_NETWORK_HEADER, IP_SADDR, IP_SIZE); }
NftablesRule& NftablesRule::ip_daddr() { return payload(NFT_PAYLOAD_NETWORK_HEADER, IP_DADDR, IP_SIZE); }
NftablesRule& NftablesRule::ip6_saddr() { return payload(NFT_PAYLOAD_NETWORK_HEADER, IP6_SADDR, IP6_SIZE); }
NftablesRule& NftablesRule::ip6_daddr() { return payload(NFT_PAYLOAD_NETWORK_HEADER, IP6_DADDR, IP6_SIZE); }
NftablesRule& NftablesRule::ip_daddr_first_byte() { return payload(NFT_PAYLOAD_NETWORK_HEADER, IP_DADDR, 1); }
NftablesRule& NftablesRule::dport() { return payload(NFT_PAYLOAD_TRANSPORT_HEADER, TRANSPORT_DPORT, PORT_SIZE); }
NftablesRule& NftablesRule::ct_state() { return ct(NFT_CT_STATE); }
NftablesRule& NftablesRule::ct_status() { return ct(NFT_CT_STATUS); }

NftablesRule& NftablesRule::fib_daddr_type() {
  expression("fib", [&] {
    add_number(batch_, NFTA_FIB_DREG, register_at(next_));
    add_number(batch_, NFTA_FIB_RESULT, static_cast<uint32_t>(NFT_FIB_RESULT_ADDRTYPE));
    add_number(batch_, NFTA_FIB_FLAGS, static_cast<uint32_t>(NFTA_FIB_F_DADDR));
  });
  loaded(REGISTER_SIZE);
  return *this;
}

void NftablesRule::lookup(std::string_view set, uint32_t flags, bool map) {
  expression("lookup", [&] {
    batch_.attribute(NFTA_LOOKUP_SET, set);
    add_number(batch_, NFTA_LOOKUP_SREG, register_at(0));
    if (map) add_number(batch_, NFTA_LOOKUP_DREG, register_at(0));
    if (flags != 0) add_number(batch_, NFTA_LOOKUP_FLAGS, flags);
  });
  next_ = 0;
}

NftablesRule& NftablesRule::in(std::string_view set) {
  lookup(set, 0, false);
  return *this;
}

NftablesRule& NftablesRule::not_in(std::string_view set) {
  lookup(set, NFT_LOOKUP_F_INV, false);
  return *this;
}

NftablesRule& NftablesRule::mapped_by(std::string_view map) {
  lookup(map, 0, true);
  return *this;
}

void NftablesRule::compare(uint32_t operation, const void* value, size_t size) {
  expression("cmp", [&] {
    add_number(batch_, NFTA_CMP_SREG, register_at(0));
    add_number(batch_, NFTA_CMP_OP, operation);
    const size_t data = batch_.open(NFTA_CMP_DATA);
    batch_.attribute(NFTA_DATA_VALUE, value, size);
    batch_.close(data);
  });
  next_ = 0;
}

NftablesRule& NftablesRule::is(const void* value, size_t size) {
  compare(NFT_CMP_EQ, value, size);
  return *this;
}

void NftablesRule::mask(uint32_t kept, uint32_t toggled) {
  expression("bitwise", [&] {
    add_number(batch_, NFTA_BITWISE_SREG, register_at(0));
    add_number(batch_, NFTA_BITWISE_DREG, register_at(0));
    add_number(batch_, NFTA_BITWISE_LEN, static_cast<uint32_t>(sizeof kept));
    for (const auto& [type, bits] : {std::pair(NFTA_BITWISE_MASK, kept), std::pair(NFTA_BITWISE_XOR, toggled)}) {
      const size_t data = batch_.open(static_cast<uint16_t>(type));
      batch_.attribute(NFTA_DATA_VALUE, bits);
      batch_.close(data);
    }
  });
}

NftablesRule& NftablesRule::has_any(uint32_t bits) {
  mask(bits, 0);
  const uint32_t none = 0;
  compare(NFT_CMP_NEQ, &none, sizeof none);
  return *this;
}

NftablesRule& NftablesRule::is_masked(uint32_t kept, uint32_t value) {
  mask(kept, 0);
  return is(value);
}

NftablesRule& NftablesRule::set_mark_bits(uint32_t bits) {
  mark();
  mask(~bits, bits);
  expression("meta", [&] {
    add_number(batch_, NFTA_META_KEY, static_cast<uint32_t>(NFT_META_MARK));
    add_number(batch_, NFTA_META_SREG, register_at(0));
  });
  next_ = 0;
  return *this;
}

NftablesRule& NftablesRule::counter() {
  expression("counter", [] {});
  return *this;
}

void NftablesRule::verdict(int32_t code, std::string_view chain) {
  expression("immediate", [&] {
    add_number(batch_, NFTA_IMMEDIATE_DREG, static_cast<uint32_t>(NFT_REG_VERDICT));
    const size_t data = batch_.open(NFTA_IMMEDIATE_DATA);
    const size_t nested = batch_.open(NFTA_DATA_VERDICT);
    add_number(batch_, NFTA_VERDICT_CODE, static_cast<uint32_t>(code));
    if (!chain.empty()) batch_.attribute(NFTA_VERDICT_CHAIN, chain);
    batch_.close(nested);
    batch_.close(data);
  });
  end();
}

void NftablesRule::end() { batch_.close(expressions_); }

void NftablesRule::accept() { verdict(NF_ACCEPT); }
void NftablesRule::drop() { verdict(NF_DROP); }
void NftablesRule::return_() { verdict(NFT_RETURN); }
void NftablesRule::jump(std::string_view chain) { verdict(NFT_JUMP, chain); }
void NftablesRule::go_to(std::string_view chain) { verdict(NFT_GOTO, chain); }

void NftablesRule::accept(const std::string& comment) {
  accept();
  std::string text{static_cast<char>(NFTABLES_COMMENT), static_cast<char>(comment.size() + 1)};
  text.append(comment).push_back('\0');
  if (text.size() > NFT_USERDATA_MAXLEN) throw Error("add a comment to an nftables rule", ENAMETOOLONG);
  batch_.attribute(NFTA_RULE_USERDATA, text.data(), text.size());
}

void NftablesRule::masquerade() {
  expression("masq", [] {});
  end();
}

void NftablesRule::nat(uint32_t type, uint8_t family, bool port) {
  expression("nat", [&] {
    add_number(batch_, NFTA_NAT_TYPE, type);
    add_number(batch_, NFTA_NAT_FAMILY, static_cast<uint32_t>(family));
    add_number(batch_, NFTA_NAT_REG_ADDR_MIN, register_at(0));
    // It lies behind the address.
    const uint32_t behind = (family == NFPROTO_IPV4 ? IP_SIZE : IP6_SIZE) / REGISTER_SIZE;
    if (port) add_number(batch_, NFTA_NAT_REG_PROTO_MIN, register_at(behind));
  });
  end();
}

void NftablesRule::snat(uint8_t family) { nat(NFT_NAT_SNAT, family, false); }
void NftablesRule::dnat(uint8_t family) { nat(NFT_NAT_DNAT, family, true); }

}  // namespace gantry
