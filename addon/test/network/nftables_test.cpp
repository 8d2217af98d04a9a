#include "network/network_fixture.h"

namespace gantry {
namespace {

void apply_nftables(const std::string& script) { Nftables().run(script); }

std::string refusal(const std::string& script) {
  try {
    apply_nftables(script);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(NetworkTest, AppliesAScriptThatNamesWhatItMade) {
  apply_nftables("add table ip gtest\nadd set ip gtest hosts { type ipv4_addr; }\n");
  apply_nftables("add element ip gtest hosts { 10.0.0.1 }");
  apply_nftables("delete element ip gtest hosts { 10.0.0.1 }");
  EXPECT_NE(refusal("delete element ip gtest hosts { 10.0.0.1 }"), "");
}

TEST_F(NetworkTest, SaysWhyAScriptIsRefused) {
  EXPECT_NE(refusal("add elephant").find("syntax error"), std::string::npos);
  EXPECT_NE(refusal("add rule ip nowhere forward accept").find("No such file or directory"), std::string::npos);
}

TEST_F(NetworkTest, AppliesAllOfAScriptOrNothing) {
  EXPECT_NE(refusal("add table ip gtest\nadd rule ip gtest nowhere accept\n"), "");
  EXPECT_NE(refusal("list table ip gtest"), "");
}

}  // namespace
}  // namespace gantry
