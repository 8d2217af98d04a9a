#include "network/firewall.h"

#include <fstream>

#include "network/command_output.h"
#include "network/foreign_chains.h"
#include "network/foreign_ruleset.h"
#include "network/network_fixture.h"

namespace gantry {
namespace {

using Elements = std::vector<FirewallElement>;

const NftablesTable ours{NFPROTO_INET, "gtest"};

const Elements SAMPLE = {
    {"bridges", {"br0"}, {}},
    {"within", {"br0", "br0"}, {}},
    {"source6", {"br0"}, {"fd00::1"}},
    {"open4", {"10.0.0.2", "udp", "53"}, {}},
    {"anywhere4", {"sctp", "8080"}, {"10.0.0.2", "80"}},
    {"published6", {"fd00::3", "tcp", "80"}, {"fd00::4", "81"}},
    {"itself4", {"10.0.0.2", "10.0.0.2"}, {}},
    // As a container with several ports has it.
    {"itself4", {"10.0.0.2", "10.0.0.2"}, {}},
};

size_t elements_in(NftablesConnection& nftables, const std::string& set) {
  size_t count = 0;
  const auto begin = [&](NetlinkBatch& batch) {
    count = 0;
    batch.attribute(NFTA_SET_ELEM_LIST_TABLE, ours.name);
    batch.attribute(NFTA_SET_ELEM_LIST_SET, set);
  };
  nftables.list(NFT_MSG_GETSETELEM, ours.family, "list elements", begin,
                [&](uint8_t, const NftablesAttributes& answer) {
                  const std::string_view list = answer.data(NFTA_SET_ELEM_LIST_ELEMENTS);
                  for_each_attribute(list.data(), list.size(), [&](uint16_t, const char*, size_t) { ++count; });
                });
  return count;
}

int refusal(const std::function<void()>& change) {
  try {
    change();
  } catch (const Error& error) {
    return error.error();
  }
  return 0;
}

TEST_F(NetworkTest, InstallsAFirewallInPlaceOfAnother) {
  NftablesConnection nftables;
  install_firewall(nftables, ours.name, SAMPLE);
  EXPECT_EQ(list_chains(nftables).size(), 7U);
  install_firewall(nftables, ours.name, {{"bridges", {"br1"}, {}}, {"bridges", {"br2"}, {}}});
  EXPECT_EQ(list_chains(nftables).size(), 7U);
  EXPECT_EQ(elements_in(nftables, "bridges"), 2U);
  EXPECT_EQ(elements_in(nftables, "itself4"), 0U);
  remove_firewall(nftables, ours.name);
  remove_firewall(nftables, ours.name);
  EXPECT_TRUE(list_chains(nftables).empty());
}

TEST_F(NetworkTest, InstallsAFirewallThatNftUnderstands) {
  NftablesConnection nftables;
  install_firewall(nftables, ours.name, SAMPLE);
  const std::string shown = output_of("nft list table inet gtest");
  for (const char* part :
       {"elements = { \"br0\" }", "elements = { \"br0\" . \"br0\" }", "elements = { \"br0\" : fd00::1 }",
        "elements = { 10.0.0.2 . udp . 53 }", "elements = { sctp . 8080 : 10.0.0.2 . 80 }",
        "elements = { fd00::3 . tcp . 80 : fd00::4 . 81 }", "elements = { 10.0.0.2 . 10.0.0.2 }"})
    EXPECT_NE(shown.find(part), std::string::npos) << part << " in " << shown;
  // What it makes of its own text is the same again.
  std::ofstream("/tmp/gtest-firewall.nft") << "delete table inet gtest\n" << shown;
  output_of("nft -f /tmp/gtest-firewall.nft");
  ::unlink("/tmp/gtest-firewall.nft");
  EXPECT_EQ(output_of("nft list table inet gtest"), shown);
}

TEST_F(NetworkTest, ReplacesElements) {
  NftablesConnection nftables;
  install_firewall(nftables, ours.name, {});
  change_firewall(nftables, ours.name, {}, SAMPLE);
  change_firewall(nftables, ours.name, {}, SAMPLE);
  EXPECT_EQ(elements_in(nftables, "anywhere4"), 1U);
  EXPECT_EQ(elements_in(nftables, "itself4"), 1U);
  change_firewall(nftables, ours.name, SAMPLE, {{"bridges", {"br1"}, {}}});
  change_firewall(nftables, ours.name, SAMPLE, {});
  EXPECT_EQ(elements_in(nftables, "anywhere4"), 0U);
  EXPECT_EQ(elements_in(nftables, "bridges"), 1U);
}

TEST_F(NetworkTest, TakesMoreElementsThanAMessageHolds) {
  NftablesConnection nftables;
  Elements many;
  for (int port = 1; port <= 6000; ++port)
    many.push_back({"anywhere6", {"tcp", std::to_string(port)}, {"fd00::2", std::to_string(port)}});
  install_firewall(nftables, ours.name, many);
  EXPECT_EQ(elements_in(nftables, "anywhere6"), many.size());
  change_firewall(nftables, ours.name, many, {});
  EXPECT_EQ(elements_in(nftables, "anywhere6"), 0U);
}

TEST_F(NetworkTest, ChangesAllOrNothing) {
  NftablesConnection nftables;
  install_firewall(nftables, ours.name, {{"anywhere4", {"tcp", "80"}, {"10.0.0.2", "80"}}});
  const Elements taken = {{"bridges", {"br0"}, {}}, {"anywhere4", {"tcp", "80"}, {"10.0.0.3", "80"}}};
  EXPECT_NE(refusal([&] { change_firewall(nftables, ours.name, {}, taken); }), 0);
  EXPECT_EQ(elements_in(nftables, "bridges"), 0U);
  EXPECT_EQ(elements_in(nftables, "anywhere4"), 1U);
  // The connection is good for the next one.
  change_firewall(nftables, ours.name, {}, {{"bridges", {"br0"}, {}}});
  EXPECT_EQ(elements_in(nftables, "bridges"), 1U);
}

TEST_F(NetworkTest, SaysWhatWasRefusedAndWhy) {
  NftablesConnection nftables;
  try {
    change_firewall(nftables, "absent", {}, {{"bridges", {"br0"}, {}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.operation(), "add elements to nftables set inet absent bridges");
    EXPECT_EQ(error.error(), ENOENT);
  }
}

TEST_F(NetworkTest, RefusesWhatASetDoesNotHold) {
  NftablesConnection nftables;
  install_firewall(nftables, ours.name, {});
  const auto refused = [&](const FirewallElement& element) {
    return refusal([&] { change_firewall(nftables, ours.name, {}, {element}); });
  };
  EXPECT_EQ(refused({"absent", {"br0"}, {}}), ENOENT);
  EXPECT_EQ(refused({"bridges", {}, {}}), EINVAL);
  EXPECT_EQ(refused({"bridges", {"br0", "br1"}, {}}), EINVAL);
  EXPECT_EQ(refused({"bridges", {"sixteen-bytes-xx"}, {}}), EINVAL);
  EXPECT_EQ(refused({"bridges", {""}, {}}), EINVAL);
  EXPECT_EQ(refused({"source4", {"br0"}, {"fd00::1"}}), EINVAL);
  EXPECT_EQ(refused({"source4", {"br0"}, {}}), EINVAL);
  EXPECT_EQ(refused({"open4", {"10.0.0.2/24", "tcp", "80"}, {}}), EINVAL);
  EXPECT_EQ(refused({"open4", {"10.0.0.2", "icmp", "80"}, {}}), EINVAL);
  for (const char* port : {"65536", "-1", "", "80 "})
    EXPECT_EQ(refused({"open4", {"10.0.0.2", "tcp", port}, {}}), EINVAL);
}

TEST_F(NetworkTest, TakesNamesThatMeanSomethingToNft) {
  NftablesConnection nftables;
  for (const char* name : {"set", "inet", "a b\" } ;", "\xff"}) {
    install_firewall(nftables, name, {{"bridges", {"br\"};{*"}, {}}});
    change_firewall(nftables, name, {{"bridges", {"br\"};{*"}, {}}}, {});
    remove_firewall(nftables, name);
  }
  EXPECT_TRUE(list_chains(nftables).empty());
  EXPECT_NE(refusal([&] { install_firewall(nftables, std::string(300, 'x'), {}); }), 0);
}

TEST_F(NetworkTest, WorksBesideSetsThatOnlyTheirMakerUnderstands) {
  NftablesConnection nftables;
  ForeignRuleset foreign(nftables);
  const NftablesTable filter{NFPROTO_IPV4, "filter"};
  foreign.add_table(filter);
  foreign.add_chain(filter, "FORWARD", NF_INET_FORWARD, NF_DROP);
  // In our own table as well, which another version may have made.
  for (const NftablesTable& table : {NftablesTable{NFPROTO_INET, "theirs"}, ours}) {
    foreign.add_table(table);
    int number = 0;
    for (const std::string& userdata : USERDATA_OF_OTHERS)
      foreign.add_set(table, "set" + std::to_string(++number), userdata);
  }
  install_firewall(nftables, ours.name, SAMPLE);
  change_firewall(nftables, ours.name, SAMPLE, {});
  const NftablesChain forward{filter, "FORWARD"};
  admit_settled(nftables, forward, "gtest");
  ASSERT_EQ(admitting_rules(nftables, forward, "gtest").size(), 1U);
  delete_rule(nftables, forward, admitting_rules(nftables, forward, "gtest").front());
  remove_firewall(nftables, ours.name);
  EXPECT_EQ(list_chains(nftables).size(), 1U);
}

}  // namespace
}  // namespace gantry
