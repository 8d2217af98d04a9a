#include "network/foreign_chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstring>

#include "isolation/error.h"
#include "network/firewall.h"
#include "network/nftables_rule.h"

namespace gantry {
namespace {

NftablesChain chain_of(uint8_t family, const NftablesAttributes& attributes) {
  NftablesChain chain{{family, attributes.text(NFTA_CHAIN_TABLE)}, attributes.text(NFTA_CHAIN_NAME)};
  // The hooks of network devices have numbers of their own.
  chain.forwards = attributes.has(NFTA_CHAIN_HOOK) && family != NFPROTO_NETDEV &&
                   attributes.inside(NFTA_CHAIN_HOOK).number32(NFTA_HOOK_HOOKNUM) == NF_INET_FORWARD;
  chain.drops = attributes.has(NFTA_CHAIN_POLICY) && attributes.number32(NFTA_CHAIN_POLICY) == NF_DROP;
  return chain;
}

/// What libnftables keeps with a rule is a list of types, lengths and values.
std::string comment_of(std::string_view userdata) {
  while (userdata.size() >= 2) {
    const auto length = static_cast<uint8_t>(userdata[1]);
    if (length > userdata.size() - 2) break;
    const std::string_view value = userdata.substr(2, length);
    if (static_cast<uint8_t>(userdata[0]) == NFTABLES_COMMENT) return std::string(value.substr(0, value.find('\0')));
    userdata.remove_prefix(2 + length);
  }
  return "";
}

/// What `admit_settled` puts into a rule, as far as it is found in one.
struct Admission {
  bool marked = false, accepts = false;
  std::string comment;
  /// Where the mark is, and where the bit of it.
  uint32_t mark_register = 0, bit_register = 0;

  void read(const std::string& expression, const NftablesAttributes& data);
};

/// Whether the value inside an attribute is this number, which is in the byte order of the host.
bool holds(const NftablesAttributes& data, uint16_t type, uint32_t number) {
  const std::string_view value = data.inside(type).data(NFTA_DATA_VALUE);
  return value.size() == sizeof number && std::memcmp(value.data(), &number, sizeof number) == 0;
}

void Admission::read(const std::string& expression, const NftablesAttributes& data) {
  if (expression == "meta" && data.number32(NFTA_META_KEY) == NFT_META_MARK && data.has(NFTA_META_DREG))
    mark_register = data.number32(NFTA_META_DREG);
  if (expression == "bitwise" && mark_register != 0 && data.number32(NFTA_BITWISE_SREG) == mark_register &&
      holds(data, NFTA_BITWISE_MASK, SETTLED_MARK) && holds(data, NFTA_BITWISE_XOR, 0))
    bit_register = data.number32(NFTA_BITWISE_DREG);
  if (expression == "cmp" && bit_register != 0 && data.number32(NFTA_CMP_SREG) == bit_register &&
      data.number32(NFTA_CMP_OP) == NFT_CMP_EQ && holds(data, NFTA_CMP_DATA, SETTLED_MARK))
    marked = true;
  if (expression == "immediate" && data.has(NFTA_IMMEDIATE_DATA)) {
    const NftablesAttributes verdict = data.inside(NFTA_IMMEDIATE_DATA).inside(NFTA_DATA_VERDICT);
    accepts = verdict.has(NFTA_VERDICT_CODE) && verdict.number32(NFTA_VERDICT_CODE) == NF_ACCEPT;
  }
  // iptables has a match that holds a comment and matches everything.
  if (expression == "match" && data.text(NFTA_MATCH_NAME) == "comment") comment = data.text(NFTA_MATCH_INFO);
}

bool admits(const NftablesAttributes& rule, const std::string& comment) {
  Admission found;
  found.comment = comment_of(rule.data(NFTA_RULE_USERDATA));
  const std::string_view expressions = rule.data(NFTA_RULE_EXPRESSIONS);
  for_each_attribute(expressions.data(), expressions.size(), [&](uint16_t type, const char* data, size_t size) {
    if (type != NFTA_LIST_ELEM) return;
    const NftablesAttributes expression(data, size);
    found.read(expression.text(NFTA_EXPR_NAME), expression.inside(NFTA_EXPR_DATA));
  });
  return found.marked && found.accepts && found.comment == comment;
}

std::string to_text(const NftablesChain& chain) { return to_text(chain.table) + " " + chain.name; }

}  // namespace

std::vector<NftablesChain> list_chains(NftablesConnection& nftables) {
  std::vector<NftablesChain> result;
  const auto begin = [&](NetlinkBatch&) { result.clear(); };
  nftables.list(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, "list nftables chains", begin,
                [&](uint8_t family, const NftablesAttributes& chain) { result.push_back(chain_of(family, chain)); });
  return result;
}

void admit_settled(NftablesConnection& nftables, const NftablesChain& chain, const std::string& comment) {
  NftablesTransaction transaction;
  NftablesRule(transaction, chain.table, chain.name, 0)
      .mark()
      .is_masked(SETTLED_MARK, SETTLED_MARK)
      .counter()
      .accept(comment);
  nftables.commit(transaction);
}

std::vector<uint64_t> admitting_rules(NftablesConnection& nftables, const NftablesChain& chain,
                                      const std::string& comment) {
  std::vector<uint64_t> result;
  const auto begin = [&](NetlinkBatch& batch) {
    result.clear();
    batch.attribute(NFTA_RULE_TABLE, chain.table.name);
    batch.attribute(NFTA_RULE_CHAIN, chain.name);
  };
  // Old kernels ignore what limits the list.
  const auto in_chain = [&](uint8_t family, const NftablesAttributes& rule) {
    return NftablesTable{family, rule.text(NFTA_RULE_TABLE)} == chain.table && rule.text(NFTA_RULE_CHAIN) == chain.name;
  };
  nftables.list(NFT_MSG_GETRULE, chain.table.family, "list the rules of nftables chain " + to_text(chain), begin,
                [&](uint8_t family, const NftablesAttributes& rule) {
                  if (in_chain(family, rule) && admits(rule, comment))
                    result.push_back(rule.number64(NFTA_RULE_HANDLE));
                });
  return result;
}

void delete_rule(NftablesConnection& nftables, const NftablesChain& chain, uint64_t handle) {
  NftablesTransaction transaction;
  NetlinkBatch& batch =
      transaction.request(NFT_MSG_DELRULE, 0, chain.table, "delete a rule of nftables chain " + to_text(chain));
  batch.attribute(NFTA_RULE_CHAIN, chain.name);
  add_number(batch, NFTA_RULE_HANDLE, handle);
  try {
    nftables.commit(transaction);
  } catch (const Error& error) {
    if (error.error() != ENOENT) throw;
  }
}

}  // namespace gantry
