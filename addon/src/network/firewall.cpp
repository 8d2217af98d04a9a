#include "network/firewall.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "isolation/error.h"
#include "network/nftables_rule.h"
#include "network/nftables_set.h"

namespace gantry {
namespace {

const std::vector<NftablesSet>& sets() {
  using Field = SetField;
  static const std::vector<NftablesSet> result = {
      // The interfaces of our networks.
      {"bridges", {Field::interface}},
      // Each bridge with itself: what stays in one network.
      {"within", {Field::interface, Field::interface}},
      {"internal", {Field::interface}},
      // Bridges whose ports are isolated: with br_netfilter, what is translated back to them would not pass.
      {"relayed", {Field::interface}},
      // Bridges whose containers show the host's address outside: that of the interface, or a given one.
      {"masqueraded4", {Field::interface}},
      {"masqueraded6", {Field::interface}},
      {"source4", {Field::interface}, {Field::ipv4}},
      {"source6", {Field::interface}, {Field::ipv6}},
      // From an interface of the host to a bridge without any further question.
      {"trusted", {Field::interface, Field::interface}},
      {"unprotected4", {Field::interface}},
      {"unprotected6", {Field::interface}},
      // Ports of containers that can be reached at the container's own address.
      {"open4", {Field::ipv4, Field::protocol, Field::port}},
      {"open6", {Field::ipv6, Field::protocol, Field::port}},
      // Published ports: on every address of the host, and on one of them.
      {"anywhere4", {Field::protocol, Field::port}, {Field::ipv4, Field::port}},
      {"anywhere6", {Field::protocol, Field::port}, {Field::ipv6, Field::port}},
      {"published4", {Field::ipv4, Field::protocol, Field::port}, {Field::ipv4, Field::port}},
      {"published6", {Field::ipv6, Field::protocol, Field::port}, {Field::ipv6, Field::port}},
      // Each container that publishes ports with itself: what it sends to its own port of the host.
      {"itself4", {Field::ipv4, Field::ipv4}},
      {"itself6", {Field::ipv6, Field::ipv6}},
  };
  return result;
}

struct Chain {
  const char* name;
  /// "nat" or "filter"; absent for a chain that others call.
  const char* type = nullptr;
  uint32_t hook = 0;
  int32_t priority = 0;
};

constexpr Chain CHAINS[] = {
    {"prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
    {"output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
    {"postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC},
    // Before iptables' own, which comes with priority 0.
    {"forward", "filter", NF_INET_FORWARD, -10},
    {"published"},
    // What enters or leaves one of our networks.
    {"judged"},
    // The mark tells iptables' FORWARD, which comes later, that this is settled (foreign_chains.h).
    {"accepted"},
};

NftablesTable table_of(const std::string& name) { return {NFPROTO_INET, name}; }

void add_chain(NftablesTransaction& transaction, const NftablesTable& table, const Chain& chain) {
  NetlinkBatch& batch = transaction.request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table,
                                            "add nftables chain " + to_text(table) + " " + chain.name);
  batch.attribute(NFTA_CHAIN_NAME, std::string_view(chain.name));
  if (chain.type == nullptr) return;
  const size_t hook = batch.open(NFTA_CHAIN_HOOK);
  add_number(batch, NFTA_HOOK_HOOKNUM, chain.hook);
  add_number(batch, NFTA_HOOK_PRIORITY, static_cast<uint32_t>(chain.priority));
  batch.close(hook);
  add_number(batch, NFTA_CHAIN_POLICY, static_cast<uint32_t>(NF_ACCEPT));
  batch.attribute(NFTA_CHAIN_TYPE, std::string_view(chain.type));
}

/// docs/networking.md describes the chains for those who add their own.
void add_rules(NftablesTransaction& transaction, const NftablesTable& table) {
  const auto rule = [&](const char* chain) { return NftablesRule(transaction, table, chain); };
  constexpr uint32_t local = RTN_LOCAL;

  rule("prerouting").iifname().in("relayed").return_();
  rule("prerouting").fib_daddr_type().is(local).jump("published");

  // 127.0.0.0/8 and ::1.
  constexpr uint8_t loopback = 127;
  constexpr std::array<uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  rule("output").ipv4().ip_daddr_first_byte().is(&loopback, sizeof loopback).return_();
  rule("output").ipv6().ip6_daddr().is(loopback6.data(), loopback6.size()).return_();
  rule("output").fib_daddr_type().is(local).jump("published");

  rule("published").ipv4().ip_daddr().l4proto().dport().mapped_by("published4").dnat(NFPROTO_IPV4);
  rule("published").ipv4().l4proto().dport().mapped_by("anywhere4").dnat(NFPROTO_IPV4);
  rule("published").ipv6().ip6_daddr().l4proto().dport().mapped_by("published6").dnat(NFPROTO_IPV6);
  rule("published").ipv6().l4proto().dport().mapped_by("anywhere6").dnat(NFPROTO_IPV6);

  // From a container to a published port and back to a container: the answer has to come this way, too.
  rule("postrouting").ct_status().has_any(IPS_DST_NAT).iifname().in("bridges").oifname().in("bridges").masquerade();
  rule("postrouting").ct_status().has_any(IPS_DST_NAT).ipv4().ip_saddr().ip_daddr().in("itself4").masquerade();
  rule("postrouting").ct_status().has_any(IPS_DST_NAT).ipv6().ip6_saddr().ip6_daddr().in("itself6").masquerade();
  rule("postrouting").oifname().in("bridges").return_();
  rule("postrouting").ipv4().iifname().mapped_by("source4").snat(NFPROTO_IPV4);
  rule("postrouting").ipv6().iifname().mapped_by("source6").snat(NFPROTO_IPV6);
  rule("postrouting").ipv4().iifname().in("masqueraded4").masquerade();
  rule("postrouting").ipv6().iifname().in("masqueraded6").masquerade();

  rule("forward").iifname().in("bridges").go_to("judged");
  rule("forward").oifname().in("bridges").go_to("judged");

  rule("judged")
      .ct_state()
      .has_any(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED))
      .go_to("accepted");
  rule("judged").iifname().oifname().in("within").go_to("accepted");
  rule("judged").iifname().in("internal").drop();
  rule("judged").oifname().in("internal").drop();
  rule("judged").ct_status().has_any(IPS_DST_NAT).go_to("accepted");
  rule("judged").oifname().not_in("bridges").go_to("accepted");
  rule("judged").iifname().oifname().in("trusted").go_to("accepted");
  rule("judged").ipv4().ip_daddr().l4proto().dport().in("open4").go_to("accepted");
  rule("judged").ipv6().ip6_daddr().l4proto().dport().in("open6").go_to("accepted");
  rule("judged").iifname().not_in("bridges").ipv4().oifname().in("unprotected4").go_to("accepted");
  rule("judged").iifname().not_in("bridges").ipv6().oifname().in("unprotected6").go_to("accepted");
  rule("judged").drop();

  rule("accepted").set_mark_bits(SETTLED_MARK).accept();
}

const NftablesSet& set_of(const FirewallElement& element) {
  const auto found =
      std::find_if(sets().begin(), sets().end(), [&](const auto& set) { return set.name == element.set; });
  if (found == sets().end()) throw Error("find set " + element.set + " of the firewall", ENOENT);
  return *found;
}

/// @param message NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM
void change(NftablesTransaction& transaction, uint16_t message, const NftablesTable& table,
            const std::vector<FirewallElement>& elements) {
  // Ports of one container have elements in common, which the kernel would not delete twice.
  std::map<std::string, std::set<NftablesElement>> by_set;
  for (const FirewallElement& element : elements) {
    const NftablesSet& set = set_of(element);
    by_set[set.name].emplace(set, element.key, element.value);
  }
  for (const auto& [set, members] : by_set)
    change_elements(transaction, message, table, set, {members.begin(), members.end()});
}

void add_table(NftablesTransaction& transaction, const NftablesTable& table) {
  transaction.request(NFT_MSG_NEWTABLE, NLM_F_CREATE, table, "add nftables table " + to_text(table));
}

/// What may be absent is added first, which changes nothing where it is there.
void remove_table(NftablesTransaction& transaction, const NftablesTable& table) {
  add_table(transaction, table);
  transaction.request(NFT_MSG_DELTABLE, 0, table, "delete nftables table " + to_text(table));
}

}  // namespace

void install_firewall(NftablesConnection& nftables, const std::string& name,
                      const std::vector<FirewallElement>& elements) {
  const NftablesTable table = table_of(name);
  NftablesTransaction transaction;
  remove_table(transaction, table);
  add_table(transaction, table);
  uint32_t id = 0;
  for (const NftablesSet& set : sets()) add_set(transaction, table, set, ++id);
  for (const Chain& chain : CHAINS) add_chain(transaction, table, chain);
  add_rules(transaction, table);
  change(transaction, NFT_MSG_NEWSETELEM, table, elements);
  nftables.commit(transaction);
}

void change_firewall(NftablesConnection& nftables, const std::string& name, const std::vector<FirewallElement>& removed,
                     const std::vector<FirewallElement>& added) {
  const NftablesTable table = table_of(name);
  NftablesTransaction transaction;
  change(transaction, NFT_MSG_NEWSETELEM, table, removed);
  change(transaction, NFT_MSG_DELSETELEM, table, removed);
  change(transaction, NFT_MSG_NEWSETELEM, table, added);
  nftables.commit(transaction);
}

void remove_firewall(NftablesConnection& nftables, const std::string& name) {
  NftablesTransaction transaction;
  remove_table(transaction, table_of(name));
  nftables.commit(transaction);
}

}  // namespace gantry
