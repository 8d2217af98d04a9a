#include "network/foreign_chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstring>
#include <utility>

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

/// Whether the value inside an attribute is this number, which is in the byte order of the host.
bool holds(const NftablesAttributes& data, uint16_t type, uint32_t number) {
  const std::string_view value = data.inside(type).data(NFTA_DATA_VALUE);
  return value.size() == sizeof number && std::memcmp(value.data(), &number, sizeof number) == 0;
}

/// What `admit_settled` puts into a rule, as far as it is found in one. A rule that looks at anything else, or does
/// anything else, is somebody's own.
class Admission {
 public:
  explicit Admission(std::string comment) : comment_(std::move(comment)) {}

  void read(const std::string& expression, const NftablesAttributes& data) {
    if (expression == "counter") return;
    if (expression == "match") return read_match(data);
    if (expression == "meta" && step_ == Step::begun) return read_meta(data);
    if (expression == "bitwise" && step_ == Step::loaded) return read_bitwise(data);
    if (expression == "cmp" && step_ == Step::masked) return read_compare(data);
    if (expression == "immediate" && step_ == Step::compared) return read_verdict(data);
    step_ = Step::strange;
  }
  bool admits() const { return step_ == Step::accepted; }
  const std::string& comment() const { return comment_; }

 private:
  enum class Step { begun, loaded, masked, compared, accepted, strange };

  void go_on(bool known, Step next) { step_ = known ? next : Step::strange; }

  void read_meta(const NftablesAttributes& data) {
    register_ = data.number32(NFTA_META_DREG);
    go_on(data.has(NFTA_META_DREG) && data.number32(NFTA_META_KEY) == NFT_META_MARK, Step::loaded);
  }
  void read_bitwise(const NftablesAttributes& data) {
    const bool of_mark = data.number32(NFTA_BITWISE_SREG) == register_;
    register_ = data.number32(NFTA_BITWISE_DREG);
    go_on(of_mark && holds(data, NFTA_BITWISE_MASK, SETTLED_MARK) && holds(data, NFTA_BITWISE_XOR, 0), Step::masked);
  }
  void read_compare(const NftablesAttributes& data) {
    const bool equal = data.number32(NFTA_CMP_SREG) == register_ && data.number32(NFTA_CMP_OP) == NFT_CMP_EQ;
    go_on(equal && holds(data, NFTA_CMP_DATA, SETTLED_MARK), Step::compared);
  }
  void read_verdict(const NftablesAttributes& data) {
    const NftablesAttributes verdict = data.inside(NFTA_IMMEDIATE_DATA).inside(NFTA_DATA_VERDICT);
    go_on(verdict.has(NFTA_VERDICT_CODE) && verdict.number32(NFTA_VERDICT_CODE) == NF_ACCEPT, Step::accepted);
  }
  /// iptables has a match that holds a comment and matches everything.
  void read_match(const NftablesAttributes& data) {
    if (data.text(NFTA_MATCH_NAME) != "comment") {
      step_ = Step::strange;
      return;
    }
    comment_ = data.text(NFTA_MATCH_INFO);
  }

  Step step_ = Step::begun;
  /// Where what is looked at is.
  uint32_t register_ = 0;
  std::string comment_;
};

bool admits(const NftablesAttributes& rule, const std::string& comment) {
  Admission found(comment_of(rule.data(NFTA_RULE_USERDATA)));
  const std::string_view expressions = rule.data(NFTA_RULE_EXPRESSIONS);
  for_each_attribute(expressions.data(), expressions.size(), [&](uint16_t type, const char* data, size_t size) {
    if (type != NFTA_LIST_ELEM) return;
    const NftablesAttributes expression(data, size);
    found.read(expression.text(NFTA_EXPR_NAME), expression.inside(NFTA_EXPR_DATA));
  });
  return found.admits() && found.comment() == comment;
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
