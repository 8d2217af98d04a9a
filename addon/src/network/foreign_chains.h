#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network/nftables.h"

namespace gantry {

/// A chain of any table.
struct NftablesChain {
  NftablesTable table;
  std::string name;
  /// A base chain that forwarded packets pass.
  bool forwards = false;
  /// What nobody accepts there is dropped.
  bool drops = false;
};

/// All chains of the network namespace. Nothing else is read of their tables. @throws Error
std::vector<NftablesChain> list_chains(NftablesConnection& nftables);

/// Puts a rule at the beginning of a chain of iptables that lets through what our table has accepted (SETTLED_MARK).
/// iptables shows it as `-m mark --mark 0x10000000/0x10000000 -m comment --comment gantry -j ACCEPT`. @throws Error
void admit_settled(NftablesConnection& nftables, const NftablesChain& chain, const std::string& comment);

/// The handles of the rules of a chain that `admit_settled` has made with this comment, also of those that iptables has
/// saved and restored. Other rules are not looked into further than it takes to tell them apart. @throws Error
std::vector<uint64_t> admitting_rules(NftablesConnection& nftables, const NftablesChain& chain,
                                      const std::string& comment);

/// Absence is fine. @throws Error
void delete_rule(NftablesConnection& nftables, const NftablesChain& chain, uint64_t handle);

}  // namespace gantry
