#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "network/firewall.h"
#include "network/nftables.h"
#include "network/nftables_rule.h"

namespace gantry {

/// Makes tables of somebody else, piece by piece.
class ForeignRuleset {
 public:
  explicit ForeignRuleset(NftablesConnection& nftables) : nftables_(nftables) {}

  void add_table(const NftablesTable& table) {
    NftablesTransaction transaction;
    transaction.request(NFT_MSG_NEWTABLE, NLM_F_CREATE, table, "add table");
    nftables_.commit(transaction);
  }

  /// @param hook NF_INET_FORWARD and the like; -1 for a chain that others call
  void add_chain(const NftablesTable& table, const std::string& name, int hook, uint32_t policy) {
    NftablesTransaction transaction;
    NetlinkBatch& batch = transaction.request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, "add chain");
    batch.attribute(NFTA_CHAIN_NAME, name);
    if (hook >= 0) {
      const size_t nested = batch.open(NFTA_CHAIN_HOOK);
      add_number(batch, NFTA_HOOK_HOOKNUM, static_cast<uint32_t>(hook));
      add_number(batch, NFTA_HOOK_PRIORITY, uint32_t{0});
      batch.close(nested);
      add_number(batch, NFTA_CHAIN_POLICY, policy);
      batch.attribute(NFTA_CHAIN_TYPE, std::string_view("filter"));
    }
    nftables_.commit(transaction);
  }

  /// A rule that accepts what our table has marked, with what only its maker understands.
  void add_rule(const NftablesTable& table, const std::string& chain, const std::string& userdata) {
    NftablesTransaction transaction;
    NftablesRule(transaction, table, chain).mark().is_masked(SETTLED_MARK, SETTLED_MARK).accept();
    transaction.current_request().attribute(NFTA_RULE_USERDATA, userdata.data(), userdata.size());
    nftables_.commit(transaction);
  }

  /// A set of addresses, with what only its maker understands.
  void add_set(const NftablesTable& table, const std::string& name, const std::string& userdata) {
    NftablesTransaction transaction;
    NetlinkBatch& batch = transaction.request(NFT_MSG_NEWSET, NLM_F_CREATE, table, "add set");
    batch.attribute(NFTA_SET_NAME, name);
    add_number(batch, NFTA_SET_KEY_TYPE, uint32_t{7});
    add_number(batch, NFTA_SET_KEY_LEN, uint32_t{4});
    add_number(batch, NFTA_SET_ID, uint32_t{1});
    batch.attribute(NFTA_SET_USERDATA, userdata.data(), userdata.size());
    nftables_.commit(transaction);
  }

 private:
  NftablesConnection& nftables_;
};

/// What others may keep with a set: libnftables 1.0.6 crashes on the first, which 1.1.3 keeps with a set of addresses.
inline const std::string USERDATA_OF_OTHERS[] = {
    std::string("\x00\x04\x02\x00\x00\x00\x03\x08\x00\x04\x04\x00\x00\x00\x01\x00", 16),
    std::string("\x03\xff\x00", 3),
    std::string("\xff\x00\x00\x00", 4),
    std::string(200, '\xff'),
};

}  // namespace gantry
