#include "network/foreign_chains.h"

#include <algorithm>

#include "network/command_output.h"
#include "network/firewall.h"
#include "network/foreign_ruleset.h"
#include "network/network_fixture.h"
#include "network/nftables_rule.h"

namespace gantry {
namespace {

const NftablesTable filter{NFPROTO_IPV4, "filter"};
const NftablesChain forward{filter, "FORWARD"};

TEST_F(NetworkTest, ListsChainsOfAllFamilies) {
  NftablesConnection nftables;
  ForeignRuleset foreign(nftables);
  const NftablesTable inet{NFPROTO_INET, "mine"};
  foreign.add_table(filter);
  foreign.add_chain(filter, "FORWARD", NF_INET_FORWARD, NF_DROP);
  foreign.add_chain(filter, "DOCKER-USER", -1, 0);
  foreign.add_table(inet);
  foreign.add_chain(inet, "incoming", NF_INET_LOCAL_IN, NF_DROP);
  foreign.add_chain(inet, "passing", NF_INET_FORWARD, NF_ACCEPT);
  std::vector<std::string> shown;
  for (const NftablesChain& chain : list_chains(nftables))
    shown.push_back(to_text(chain.table) + " " + chain.name + (chain.forwards ? " forwards" : "") +
                    (chain.drops ? " drops" : ""));
  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, (std::vector<std::string>{"inet mine incoming drops", "inet mine passing forwards",
                                             "ip filter DOCKER-USER", "ip filter FORWARD forwards drops"}));
}

TEST_F(NetworkTest, AdmitsAsIptablesShowsAndRestores) {
  NftablesConnection nftables;
  output_of("iptables -P FORWARD DROP");
  admit_settled(nftables, forward, "gtest");
  const std::string saved = output_of("iptables-save");
  EXPECT_NE(saved.find("-A FORWARD -m mark --mark 0x10000000/0x10000000 -m comment --comment gtest -j ACCEPT\n"),
            std::string::npos)
      << saved;
  EXPECT_EQ(admitting_rules(nftables, forward, "gtest").size(), 1U);
  EXPECT_TRUE(admitting_rules(nftables, forward, "gtes").empty());

  output_of("iptables-save | iptables-restore");
  const auto handles = admitting_rules(nftables, forward, "gtest");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_TRUE(admitting_rules(nftables, forward, "other").empty());
  delete_rule(nftables, forward, handles.front());
  delete_rule(nftables, forward, handles.front());
  EXPECT_TRUE(admitting_rules(nftables, forward, "gtest").empty());
}

TEST_F(NetworkTest, TellsOtherRulesApart) {
  NftablesConnection nftables;
  ForeignRuleset foreign(nftables);
  foreign.add_table(filter);
  foreign.add_chain(filter, "FORWARD", NF_INET_FORWARD, NF_ACCEPT);
  foreign.add_chain(filter, "other", -1, 0);
  NftablesTransaction transaction;
  const auto rule = [&](const char* chain = "FORWARD") { return NftablesRule(transaction, filter, chain); };
  rule().counter().accept("gtest");
  rule().mark().is_masked(SETTLED_MARK, 0).accept("gtest");
  rule().mark().is_masked(SETTLED_MARK << 1, SETTLED_MARK << 1).accept("gtest");
  rule().mark().is(SETTLED_MARK).accept("gtest");
  rule().mark().is_masked(SETTLED_MARK, SETTLED_MARK).drop();
  rule().mark().is_masked(SETTLED_MARK, SETTLED_MARK).accept();
  rule().mark().is_masked(SETTLED_MARK, SETTLED_MARK).accept("gtest2");
  rule("other").mark().is_masked(SETTLED_MARK, SETTLED_MARK).accept("gtest");
  nftables.commit(transaction);
  EXPECT_TRUE(admitting_rules(nftables, forward, "gtest").empty());
}

TEST_F(NetworkTest, LeavesRulesAloneThatLookAtMore) {
  NftablesConnection nftables;
  output_of("iptables -P FORWARD DROP");
  const std::string ours = " -m mark --mark 0x10000000/0x10000000 -m comment --comment gtest -j ACCEPT";
  for (const char* more : {"-i eth0", "-s 192.0.2.0/24", "-p tcp --dport 80", "-m conntrack --ctstate NEW",
                           "-m mark --mark 0x1/0x1", "-m limit --limit 5/s"})
    output_of(std::string("iptables -A FORWARD ") + more + ours);
  NftablesTransaction transaction;
  const auto rule = [&] { return NftablesRule(transaction, filter, "FORWARD"); };
  rule().mark().is_masked(SETTLED_MARK, SETTLED_MARK).set_mark_bits(1).accept("gtest");
  rule().mark().is_masked(SETTLED_MARK, SETTLED_MARK).oifname().is("eth0\0\0\0\0\0\0\0\0\0\0\0", 16).accept("gtest");
  nftables.commit(transaction);
  EXPECT_TRUE(admitting_rules(nftables, forward, "gtest").empty());
}

TEST_F(NetworkTest, ReadsUserdataThatIsNotWhatItSays) {
  NftablesConnection nftables;
  ForeignRuleset foreign(nftables);
  foreign.add_table(filter);
  foreign.add_chain(filter, "FORWARD", NF_INET_FORWARD, NF_ACCEPT);
  for (const std::string& userdata : USERDATA_OF_OTHERS) foreign.add_rule(filter, "FORWARD", userdata);
  foreign.add_rule(filter, "FORWARD", std::string("\x00\xffgtest", 7));
  EXPECT_TRUE(admitting_rules(nftables, forward, "gtest").empty());
  // Without an end, behind something unknown.
  foreign.add_rule(filter, "FORWARD", std::string("\x09\x01x\x00\x05gtest", 10));
  EXPECT_EQ(admitting_rules(nftables, forward, "gtest").size(), 1U);
}

}  // namespace
}  // namespace gantry
