// Random and mutated messages: nothing may be read beyond their end (the sanitizer build would tell), and whatever is
// answered must be well-formed.
#include <gtest/gtest.h>

#include <memory>

#include "dns/answer.h"
#include "dns/messages.h"
#include "dns/name.h"
#include "dns/relay.h"

namespace gantry::test {
namespace {

constexpr int kRounds = 200'000;
constexpr char kTable[] = "network net\n@10.0.0.1 web.net\nweb 10.0.0.1 fd00::1\n";

class Fuzz : public ::testing::Test {
 protected:
  size_t below(size_t limit) { return random_() % limit; }
  char byte() { return static_cast<char>(random_() & 0xff); }

  std::string seed() {
    QueryMessage query{below(2) ? "web.net" : "1.0.0.10.in-addr.arpa", static_cast<uint16_t>(below(40))};
    if (below(2)) query.udp_size = static_cast<uint16_t>(below(5000) + 1);
    std::string message = query.bytes();
    return below(4) ? message : address_reply(message, "192.0.2.1");
  }

  std::string mutated(std::string message) {
    for (size_t change = below(6); change > 0 && !message.empty(); --change) {
      switch (below(5)) {
        case 0:
          message[below(message.size())] = byte();
          break;
        case 1:
          message.resize(below(message.size() + 1));
          break;
        case 2:
          message.insert(below(message.size() + 1), 1 + below(8), byte());
          break;
        case 3:
          message[below(message.size())] = static_cast<char>(0xc0 | below(4));
          break;
        case 4:
          message += message.substr(below(message.size()));
          break;
      }
    }
    return message;
  }

  std::string noise() {
    std::string message(below(80), '\0');
    for (char& each : message) each = byte();
    return message;
  }

  std::minstd_rand random_{20261125};
};

/// In memory of exactly its size, so that a byte too many is noticed.
struct Exact {
  explicit Exact(const std::string& message) : size(message.size()), bytes(new char[message.size()]) {
    message.copy(bytes.get(), size);
  }
  std::string_view view() const { return {bytes.get(), size}; }

  size_t size;
  std::unique_ptr<char[]> bytes;
};

TEST_F(Fuzz, AnswersAreAlwaysWellFormed) {
  const dns::Names names{{dns::NameTable(kTable)}, {}};
  int replies = 0;
  int forwarded = 0;
  for (int round = 0; round < kRounds; ++round) {
    Exact message(below(8) ? mutated(seed()) : noise());
    auto transport = below(2) ? dns::Transport::kUdp : dns::Transport::kTcp;
    dns::Query query;
    auto answer = dns::answer(message.view(), query, names, {}, transport, random_);
    forwarded += answer.action == dns::Answer::Action::kForward;
    if (answer.action != dns::Answer::Action::kReply) continue;
    ++replies;
    ASSERT_NO_THROW(ReplyMessage{answer.message}) << round;
    ASSERT_EQ(answer.message.substr(0, 2), message.view().substr(0, 2)) << round;
  }
  EXPECT_GT(replies, kRounds / 4);
  EXPECT_GT(forwarded, kRounds / 100);
}

TEST_F(Fuzz, RepliesOfServersAreOnlyRead) {
  const std::string query = QueryMessage{"web.net"}.bytes();
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    Exact reply(below(8) ? mutated(address_reply(query, "192.0.2.1")) : noise());
    accepted += dns::answers(reply.view(), 0x1234, std::string_view(query).substr(12));
  }
  EXPECT_GT(accepted, kRounds / 100);
}

TEST_F(Fuzz, TablesAreOnlyRead) {
  for (int round = 0; round < kRounds / 10; ++round) {
    Exact text(mutated(kTable));
    dns::Names names{{dns::NameTable(text.view())}, {}};
    for (const char* name : {"web", "web.net", "a", "zzz", ""}) dns::find_addresses(names, name);
    std::string target;
    dns::append_name(dns::find_host(names, "10.0.0.1"), target);
    EXPECT_LE(target.size(), dns::kMaxNameSize);
  }
}

}  // namespace
}  // namespace gantry::test
