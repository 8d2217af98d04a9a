#include "dns/answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dns/messages.h"

namespace gantry::test {
namespace {

using dns::Answer;
using dns::Transport;
using Texts = std::vector<std::string>;

constexpr char kFrontend[] =
    "network frontend\n"
    "2b3c4d5e6f70 172.18.0.2\n"
    "@172.18.0.2 web.frontend\n"
    "@fd00::2 web.frontend\n"
    "api 172.18.0.7\n"
    "many 172.18.0.3 172.18.0.4 172.18.0.5\n"
    "web 172.18.0.2 fd00::2\n";
constexpr char kBackend[] =
    "network back.end\n"
    "@172.19.0.2 db.back.end\n"
    "api 172.19.0.7 fd01::7\n"
    "db 172.19.0.2\n"
    "six fd01::9\n";

class Answers : public ::testing::Test {
 protected:
  Answer ask(const std::string& message, Transport transport = Transport::kUdp) {
    dns::Query query;
    return dns::answer(message, query, names_, policy_, transport, random_);
  }
  Answer ask(const QueryMessage& query, Transport transport = Transport::kUdp) { return ask(query.bytes(), transport); }
  ReplyMessage reply(const QueryMessage& query, Transport transport = Transport::kUdp) {
    Answer answer = ask(query, transport);
    EXPECT_EQ(answer.action, Answer::Action::kReply) << query.name;
    return ReplyMessage(answer.message);
  }
  Texts addresses(const std::string& name, uint16_t type = 1) { return reply({name, type}).texts(); }
  bool forwards(const std::string& name, uint16_t type = 1) {
    return ask(QueryMessage{name, type}).action == Answer::Action::kForward;
  }

  dns::Names names_{{dns::NameTable(kFrontend), dns::NameTable(kBackend)}, {{"database", "db"}, {"web", "api"}}};
  dns::Policy policy_;
  std::minstd_rand random_{1};
};

TEST_F(Answers, AreAddressesOfBothFamilies) {
  names_.links.clear();
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  EXPECT_EQ(addresses("web", 28), Texts{"fd00::2"});
  EXPECT_EQ(addresses("2b3c4d5e6f70"), Texts{"172.18.0.2"});
  EXPECT_EQ(addresses("web", 255), (Texts{"172.18.0.2", "fd00::2"}));
}

TEST_F(Answers, RepeatTheQuestionAsItWasAsked) {
  ReplyMessage answer = reply({"DB.Back.END", 1, 0xbeef});
  EXPECT_EQ(answer.question, "DB.Back.END");
  EXPECT_EQ(answer.id, 0xbeef);
  EXPECT_EQ(answer.flags, 0x8180);
  ASSERT_EQ(answer.answers.size(), 1u);
  EXPECT_EQ(answer.answers[0].name, "DB.Back.END");
  EXPECT_EQ(answer.answers[0].ttl, 600u);
  EXPECT_EQ(answer.texts(), Texts{"172.19.0.2"});
  EXPECT_FALSE(answer.edns);
}

TEST_F(Answers, KnowNamesWithTheirNetwork) {
  EXPECT_EQ(addresses("api.frontend"), Texts{"172.18.0.7"});
  EXPECT_EQ(addresses("api.back.end"), Texts{"172.19.0.7"});
  EXPECT_TRUE(forwards("db.frontend"));
  EXPECT_TRUE(forwards("frontend"));
}

TEST_F(Answers, ComeFromTheFirstNetworkWithTheName) {
  EXPECT_EQ(addresses("api"), Texts{"172.18.0.7"});
  EXPECT_EQ(addresses("api", 28), Texts{"fd01::7"});
}

TEST_F(Answers, FollowLinksBeforeNames) {
  EXPECT_EQ(addresses("database"), Texts{"172.19.0.2"});
  EXPECT_EQ(addresses("database.back.end"), Texts{"172.19.0.2"});
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.7"});
}

TEST_F(Answers, OfAnotherFamilyAreEmptyAndNotForwarded) {
  for (uint16_t type : {28, 15, 16, 65, 33, 12}) {
    ReplyMessage answer = reply({"db", type});
    EXPECT_EQ(answer.code(), 0) << type;
    EXPECT_TRUE(answer.answers.empty()) << type;
  }
  EXPECT_TRUE(addresses("six").empty());
}

TEST_F(Answers, AreForwardedForOtherNames) {
  for (const char* name : {"example.com", "nobody", "", "@172.18.0.2", "web.frontend.example"})
    EXPECT_TRUE(forwards(name)) << name;
  EXPECT_TRUE(forwards("example.com", 16));
}

TEST_F(Answers, KeepSingleLabelsToThemselvesWhenSearchingComesFirst) {
  policy_.search_first = true;
  EXPECT_TRUE(addresses("nobody").empty());
  EXPECT_TRUE(forwards("nobody", 15));
  EXPECT_TRUE(forwards("nobody.example"));
}

TEST_F(Answers, TellTheNameOfAnAddress) {
  EXPECT_EQ(addresses("2.0.18.172.in-addr.arpa", 12), Texts{"web.frontend"});
  EXPECT_EQ(addresses("2.0.19.172.IN-ADDR.ARPA", 12), Texts{"db.back.end"});
  const std::string ipv6 = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
  EXPECT_EQ(addresses(ipv6, 12), Texts{"web.frontend"});
  for (const char* other : {"3.0.18.172.in-addr.arpa", "0.18.172.in-addr.arpa", "02.0.18.172.in-addr.arpa",
                            "2.0.18.428.in-addr.arpa", "1.2.0.18.172.in-addr.arpa", "in-addr.arpa", "f.ip6.arpa"})
    EXPECT_TRUE(forwards(other, 12)) << other;
}

TEST_F(Answers, PutAnyReplicaFirst) {
  std::set<std::string> first;
  for (int round = 0; round < 100; ++round) {
    Texts texts = addresses("many");
    first.insert(texts.at(0));
    std::sort(texts.begin(), texts.end());
    EXPECT_EQ(texts, (Texts{"172.18.0.3", "172.18.0.4", "172.18.0.5"}));
  }
  EXPECT_EQ(first.size(), 3u);
}

class LongAnswers : public Answers {
 protected:
  LongAnswers() {
    text_ = "network n\nbig";
    for (int host = 1; host <= 250; ++host) text_ += " 10.0.0." + std::to_string(host);
    text_ += "\n";
    names_ = {{dns::NameTable(text_)}, {}};
  }
  std::string text_;
};

TEST_F(LongAnswers, AreTruncatedToWhatTheClientTakes) {
  Answer plain = ask(QueryMessage{"big"});
  EXPECT_LE(plain.message.size(), 512u);
  EXPECT_GT(plain.message.size(), 490u);
  EXPECT_TRUE(ReplyMessage(plain.message).truncated());

  QueryMessage query{"big"};
  query.udp_size = 1232;
  Answer extended = ask(query);
  EXPECT_LE(extended.message.size(), 1232u);
  EXPECT_GT(extended.message.size(), 1210u);
  EXPECT_TRUE(ReplyMessage(extended.message).truncated());
  EXPECT_TRUE(ReplyMessage(extended.message).edns);

  // Less than 512 is not a size that counts.
  query.udp_size = 100;
  EXPECT_GT(ask(query).message.size(), 490u);
}

TEST_F(LongAnswers, AreWholeOverTcp) {
  ReplyMessage answer = reply({"big"}, Transport::kTcp);
  EXPECT_FALSE(answer.truncated());
  EXPECT_EQ(answer.answers.size(), 250u);
}

TEST_F(LongAnswers, AreCutAtTheEndOfWhatFitsOverTcp) {
  text_ = "network n\nhuge";
  for (int host = 0; host < 6000; ++host)
    text_ += " 10.0." + std::to_string(host / 250) + "." + std::to_string(host % 250);
  text_ += "\n";
  names_ = {{dns::NameTable(text_)}, {}};
  Answer answer = ask(QueryMessage{"huge"}, Transport::kTcp);
  EXPECT_LE(answer.message.size(), 65535u);
  EXPECT_TRUE(ReplyMessage(answer.message).truncated());
}

TEST_F(Answers, SpeakEdns) {
  QueryMessage query{"api"};
  query.udp_size = 4096;
  query.dnssec_ok = true;
  ReplyMessage answer = reply(query);
  EXPECT_TRUE(answer.edns);
  EXPECT_TRUE(answer.dnssec_ok);
  EXPECT_EQ(answer.edns_version, 0);
  EXPECT_EQ(answer.code(), 0);

  query.edns_version = 1;
  answer = reply(query);
  EXPECT_EQ(answer.code(), 16);
  EXPECT_EQ(answer.edns_version, 0);
  EXPECT_TRUE(answer.answers.empty());
}

TEST_F(Answers, RefuseWhatIsNoPlainQuestion) {
  const std::string good = QueryMessage{"api"}.bytes();
  auto code = [&](const std::string& message) { return ReplyMessage(ask(message).message).code(); };
  for (uint16_t opcode : {1, 2, 4, 5, 15}) {
    QueryMessage query{"api"};
    query.flags = static_cast<uint16_t>(opcode << 11);
    EXPECT_EQ(reply(query).code(), 4);
    EXPECT_EQ(reply(query).flags >> 11 & 15, opcode);
  }
  for (uint16_t qclass : {0, 3, 254, 255}) {
    QueryMessage query{"api"};
    query.qclass = qclass;
    EXPECT_EQ(reply(query).code(), 4);
  }
  EXPECT_EQ(reply({"example.com", 252}).code(), 4);
  for (char count : {0, 2}) {
    std::string message = good;
    message[5] = count;
    EXPECT_EQ(code(message), 1);
  }
  EXPECT_EQ(code(good + "x"), 1);
  EXPECT_EQ(code(good.substr(0, good.size() - 1)), 1);
  EXPECT_EQ(code(good.substr(0, 12)), 1);
  QueryMessage extended{"api"};
  extended.udp_size = 1000;
  std::string twice = extended.bytes() + extended.bytes().substr(good.size());
  twice[11] = 2;
  EXPECT_EQ(code(twice), 1);
  std::string pointer = good.substr(0, 12) + "\xc0\x0c" + good.substr(good.size() - 4);
  EXPECT_EQ(code(pointer), 1);
  std::string endless = good.substr(0, 12);
  for (int label = 0; label < 5; ++label) endless += "\x3f" + std::string(63, 'a');
  EXPECT_EQ(code(endless + std::string("\0\0\1\0\1", 5)), 1);
}

TEST_F(Answers, AreNotGivenToAnswers) {
  QueryMessage query{"api"};
  query.flags = 0x8180;
  EXPECT_EQ(ask(query).action, Answer::Action::kDrop);
  EXPECT_EQ(ask(std::string(11, '\0')).action, Answer::Action::kDrop);
  EXPECT_EQ(ask(std::string()).action, Answer::Action::kDrop);
}

TEST_F(Answers, DoNotTakeADotWithinALabelForASeparator) {
  std::string message = QueryMessage{"api.frontend"}.bytes();
  message[12] = 12;
  message[16] = '.';
  EXPECT_EQ(ask(message).action, Answer::Action::kForward);
}

TEST(NameTables, AreEmptyWhenTheyAreNone) {
  for (const char* text : {"", "network", "network x", "{\"names\":{}}\n", "\nweb 1.2.3.4\n"}) {
    dns::NameTable table(text);
    EXPECT_FALSE(table.find("web")) << text;
    EXPECT_FALSE(table.find("")) << text;
  }
}

TEST(NameTables, FindEveryLine) {
  std::set<std::string> names;
  std::minstd_rand random(7);
  while (names.size() < 300) names.insert("n" + std::to_string(random() % 100000));
  std::string text = "network big\n";
  for (const std::string& name : names) text += name + " " + name + "!\n";
  dns::NameTable table(text);
  for (const std::string& name : names) {
    EXPECT_EQ(table.find(name), name + "!");
    EXPECT_FALSE(table.find(name + "x"));
    EXPECT_FALSE(table.find(name.substr(0, name.size() - 1) + "/"));
  }
  EXPECT_FALSE(table.find("a"));
  EXPECT_FALSE(table.find("z"));
}

}  // namespace
}  // namespace gantry::test
