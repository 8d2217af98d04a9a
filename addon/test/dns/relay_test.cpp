#include "dns/relay.h"

#include <gtest/gtest.h>

#include "dns/messages.h"

namespace gantry::test {
namespace {

class Relayed : public ::testing::Test {
 protected:
  bool accepted(const std::string& reply) const { return dns::answers(reply, 0x1234, question_); }

  std::string query_ = QueryMessage{"example.com"}.bytes();
  std::string question_ = query_.substr(12);
  std::string reply_ = address_reply(query_, "192.0.2.1");
};

TEST_F(Relayed, AnswersBelongToTheirQuestion) {
  EXPECT_TRUE(accepted(reply_));
  EXPECT_TRUE(accepted(address_reply(QueryMessage{"EXAMPLE.com"}.bytes(), "192.0.2.1")));
  EXPECT_FALSE(accepted(address_reply(QueryMessage{"example.org"}.bytes(), "192.0.2.1")));
  EXPECT_FALSE(accepted(address_reply(QueryMessage{"example.com", 28}.bytes(), "192.0.2.1")));
  EXPECT_FALSE(accepted(address_reply(QueryMessage{"example.com", 1, 0x1235}.bytes(), "192.0.2.1")));
  EXPECT_FALSE(accepted(query_));
}

TEST_F(Relayed, AnswersMustBeWhole) {
  for (size_t length = 0; length < reply_.size(); ++length) EXPECT_FALSE(accepted(reply_.substr(0, length))) << length;
  std::string cut = reply_.substr(0, reply_.size() - 3);
  cut[2] = static_cast<char>(cut[2] | 2);
  EXPECT_TRUE(accepted(cut)) << "truncated, and it says so";
}

TEST_F(Relayed, FailuresMayLackTheQuestion) {
  std::string failure = reply_.substr(0, 12);
  failure[5] = failure[7] = 0;
  EXPECT_FALSE(accepted(failure));
  failure[3] = static_cast<char>(0x81);
  EXPECT_TRUE(accepted(failure));
  EXPECT_EQ(dns::reply_code(failure), dns::Rcode::kFormatError);
}

}  // namespace
}  // namespace gantry::test
