#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>
#include <set>

#include "isolation/error.h"
#include "shim/dns_fixture.h"

namespace gantry::test {
namespace {

using nlohmann::json;
using Texts = std::vector<std::string>;

json from_host(const std::string& address) { return {{"address", address}, {"fromHost", true}}; }
json from_container(const std::string& address) { return {{"address", address}, {"fromHost", false}}; }

const json kTwoServers{{"servers", {from_host("127.0.0.53"), from_host("127.0.0.54")}}};

/// What the server has been asked, and the way back.
struct Received {
  explicit Received(const DnsSocket& server) : bytes(server.receive_from(sender)) {}
  sockaddr_in sender;
  std::string bytes;
};

std::string failure(std::string query, int code) {
  query[2] = static_cast<char>(0x81);
  query[3] = static_cast<char>(0x80 | code);
  return query;
}

TEST_F(DnsTest, AnswersForTheNetworksOfTheContainer) {
  start();
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  EXPECT_EQ(addresses("WEB.net"), Texts{"172.18.0.2"});
}

TEST_F(DnsTest, SeesAnotherTableAtOnce) {
  start();
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  publish("api 172.18.0.4\nweb 172.18.0.3\n");
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.3"});
  write_text(bundle_.path("other.names"), "network other\ndb 172.19.0.2\n");
  configure({{"networks", {bundle_.path("net.names"), bundle_.path("other.names")}}, {"links", {{"l", "api"}}}});
  EXPECT_EQ(addresses("db"), Texts{"172.19.0.2"});
  EXPECT_EQ(addresses("l"), Texts{"172.18.0.4"});
  // The daemon's bug or a full disk must not take the names away that are known.
  write_text(bundle_.path("dns.json"), "{");
  EXPECT_EQ(addresses("db"), Texts{"172.19.0.2"});
  unlink(bundle_.path("other.names").c_str());
  EXPECT_EQ(ask({"db"}).code(), 2);
}

TEST_F(DnsTest, OutlivesTheDaemon) {
  start();
  shim_->control.close();
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
}

TEST_F(DnsTest, ComesAndGoesWhileTheContainerRuns) {
  unlink(bundle_.path("dns.json").c_str());
  start();
  EXPECT_THROW(ask({"web"}), Error);
  configure({});
  EXPECT_TRUE(shim_->control.request({{"type", "dns"}}).contains("ok"));
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  unlink(bundle_.path("dns.json").c_str());
  EXPECT_TRUE(shim_->control.request({{"type", "dns"}}).contains("ok"));
  EXPECT_THROW(ask({"web"}), Error);
}

TEST_F(DnsTest, LeavesPort53ToTheContainer) {
  start();
  if (read_text(bundle_.path("shim.log")).find("port 53") != std::string::npos) GTEST_SKIP() << "no BPF sk_lookup here";
  DnsSocket own = server_inside("0.0.0.0");
  DnsSocket own_listener = server_inside("0.0.0.0", SOCK_STREAM);
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  DnsSocket asker = client(SOCK_STREAM);
  asker.send_message(QueryMessage{"web"}.bytes());
  EXPECT_EQ(ReplyMessage(asker.receive_message()).texts(), Texts{"172.18.0.2"});
  EXPECT_TRUE(own.silent_for(0));

  DnsSocket other = client(SOCK_DGRAM, "127.0.0.1");
  other.send("for the container's own server");
  EXPECT_EQ(own.receive(), "for the container's own server");
  EXPECT_NO_THROW(client(SOCK_STREAM, "127.0.0.1"));
}

TEST_F(DnsTest, BindsThePortWhereItHasTo) {
  start_without_raw_sockets();
  EXPECT_NE(read_text(bundle_.path("shim.log")).find("port 53"), std::string::npos);
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  EXPECT_THROW(server_inside("0.0.0.0"), Error);
  DnsSocket asker = client(SOCK_STREAM);
  asker.send_message(QueryMessage{"web"}.bytes());
  EXPECT_EQ(ReplyMessage(asker.receive_message()).texts(), Texts{"172.18.0.2"});
}

TEST_F(DnsTest, ForwardsFromTheHost) {
  configure(kTwoServers);
  DnsSocket upstream = server("127.0.0.53");
  start();
  std::set<in_port_t> ports;
  std::set<std::string> ids;
  for (uint16_t round = 0; round < 8; ++round) {
    DnsSocket asker = client();
    asker.send(QueryMessage{"Example.com", 1, round}.bytes());
    Received query(upstream);
    ports.insert(query.sender.sin_port);
    ids.insert(query.bytes.substr(0, 2));
    EXPECT_EQ(query.bytes.substr(2), QueryMessage{"Example.com"}.bytes().substr(2));
    upstream.send_to(query.sender, address_reply(query.bytes, "192.0.2.1"));
    ReplyMessage reply(asker.receive());
    EXPECT_EQ(reply.id, round);
    EXPECT_EQ(reply.texts(), Texts{"192.0.2.1"});
  }
  EXPECT_GE(ports.size(), 7u);
  EXPECT_GE(ids.size(), 7u);
}

TEST_F(DnsTest, ForwardsFromTheContainerToItsOwnServers) {
  configure({{"servers", {from_container("127.0.0.53")}}, {"internal", true}});
  DnsSocket upstream = server_inside("127.0.0.53");
  start();
  DnsSocket asker = client();
  asker.send(QueryMessage{"example.com"}.bytes());
  Received query(upstream);
  upstream.send_to(query.sender, address_reply(query.bytes, "192.0.2.1"));
  EXPECT_EQ(ReplyMessage(asker.receive()).texts(), Texts{"192.0.2.1"});
}

TEST_F(DnsTest, DoesNotForwardByWayOfTheHostFromAnInternalNetwork) {
  json config = kTwoServers;
  config["internal"] = true;
  configure(config);
  DnsSocket upstream = server("127.0.0.53");
  start();
  EXPECT_EQ(ask({"example.com"}).code(), 2);
  EXPECT_TRUE(upstream.silent_for(0));
}

TEST_F(DnsTest, TakesOnlyTheAnswerToItsQuestion) {
  configure(kTwoServers);
  DnsSocket upstream = server("127.0.0.53");
  DnsSocket stranger = server("127.0.0.66");
  start();
  DnsSocket asker = client();
  asker.send(QueryMessage{"example.com"}.bytes());
  Received query(upstream);
  const std::string poison = address_reply(query.bytes, "192.0.2.66");
  stranger.send_to(query.sender, poison);
  std::string other_id = poison;
  other_id[0] = static_cast<char>(other_id[0] ^ 1);
  std::string other_question = poison;
  other_question[13] = 'f';
  for (const std::string& reply : {other_id, other_question, std::string("x"), poison.substr(0, poison.size() - 1)})
    upstream.send_to(query.sender, reply);
  upstream.send_to(query.sender, address_reply(query.bytes, "192.0.2.1"));
  EXPECT_EQ(ReplyMessage(asker.receive()).texts(), Texts{"192.0.2.1"});
  EXPECT_TRUE(asker.silent_for(50));
}

TEST_F(DnsTest, AsksTheNextServerWhenOneFails) {
  configure(kTwoServers);
  DnsSocket second = server("127.0.0.54");
  start();
  auto answered_by_second = [&](DnsSocket& asker) {
    Received query(second);
    second.send_to(query.sender, address_reply(query.bytes, "192.0.2.1"));
    return ReplyMessage(asker.receive()).texts() == Texts{"192.0.2.1"};
  };
  DnsSocket asker = client();
  asker.send(QueryMessage{"unreachable.example"}.bytes());
  EXPECT_TRUE(answered_by_second(asker));

  DnsSocket first = server("127.0.0.53");
  for (int code : {2, 5}) {
    asker.send(QueryMessage{"failing.example"}.bytes());
    Received query(first);
    first.send_to(query.sender, failure(query.bytes, code));
    EXPECT_TRUE(answered_by_second(asker));
  }
  // That there is no such name is an answer.
  asker.send(QueryMessage{"absent.example"}.bytes());
  Received absent(first);
  first.send_to(absent.sender, failure(absent.bytes, 3));
  EXPECT_EQ(ReplyMessage(asker.receive()).code(), 3);

  asker.send(QueryMessage{"slow.example"}.bytes());
  Received unanswered(first);
  EXPECT_TRUE(second.silent_for(1000));
  EXPECT_TRUE(answered_by_second(asker));
}

TEST_F(DnsTest, SaysSoWhenNoServerAnswers) {
  configure(kTwoServers);
  start();
  QueryMessage query{"example.com"};
  query.udp_size = 1232;
  ReplyMessage reply = ask(query);
  EXPECT_EQ(reply.code(), 2);
  EXPECT_TRUE(reply.edns);
}

TEST_F(DnsTest, CutsWhatAServerSendsBeyondTheSizeTheClientTakes) {
  configure(kTwoServers);
  DnsSocket upstream = server("127.0.0.53");
  start();
  QueryMessage query{"example.com"};
  for (uint16_t udp_size : {0, 4096}) {
    query.udp_size = udp_size;
    DnsSocket asker = client();
    asker.send(query.bytes());
    Received received(upstream);
    std::string reply = address_reply(received.bytes, "192.0.2.1");
    reply[7] = 50;
    const std::string record = reply.substr(reply.size() - 16);
    for (int index = 1; index < 50; ++index) reply += record;
    upstream.send_to(received.sender, reply);
    ReplyMessage relayed(asker.receive());
    EXPECT_EQ(relayed.truncated(), udp_size == 0);
    EXPECT_EQ(relayed.answers.size(), udp_size == 0 ? 0u : 50u);
  }
}

TEST_F(DnsTest, ForwardsOverTcpWhatIsAskedOverTcp) {
  configure(kTwoServers);
  DnsSocket upstream = server("127.0.0.54", SOCK_STREAM);
  start();
  DnsSocket asker = client(SOCK_STREAM);
  asker.send_message(QueryMessage{"example.com"}.bytes());
  asker.end_input();
  DnsSocket connection = upstream.accept();
  const std::string query = connection.receive_message();
  const std::string reply = address_reply(query, "192.0.2.1");
  connection.send(wire16(static_cast<uint16_t>(reply.size())) + reply.substr(0, 20));
  connection.send(reply.substr(20));
  ReplyMessage relayed(asker.receive_message());
  EXPECT_EQ(relayed.id, 0x1234);
  EXPECT_EQ(relayed.texts(), Texts{"192.0.2.1"});
  EXPECT_TRUE(asker.at_end());
}

TEST_F(DnsTest, TakesManyQuestionsOverOneConnection) {
  start();
  DnsSocket asker = client(SOCK_STREAM);
  std::string together;
  for (uint16_t id = 0; id < 500; ++id) {
    const std::string query = QueryMessage{"web", 1, id}.bytes();
    together += wire16(static_cast<uint16_t>(query.size())) + query;
  }
  asker.send(together);
  for (uint16_t id = 0; id < 500; ++id) ASSERT_EQ(ReplyMessage(asker.receive_message()).id, id);
  for (char byte : together.substr(0, 23)) asker.send(std::string(1, byte));
  EXPECT_EQ(ReplyMessage(asker.receive_message()).texts(), Texts{"172.18.0.2"});
}

TEST_F(DnsTest, KeepsNoRoomForClientsThatSayNothing) {
  start();
  std::vector<DnsSocket> silent;
  for (int count = 0; count < 100; ++count) silent.push_back(client(SOCK_STREAM));
  DnsSocket asker = client(SOCK_STREAM);
  asker.send_message(QueryMessage{"web"}.bytes());
  EXPECT_EQ(ReplyMessage(asker.receive_message()).texts(), Texts{"172.18.0.2"});
  EXPECT_TRUE(silent[0].at_end());
}

TEST_F(DnsTest, BearsNonsense) {
  configure(kTwoServers);
  DnsSocket upstream = server("127.0.0.53");
  start();
  std::minstd_rand random(3);
  auto noise = [&](size_t size) {
    std::string bytes(size, '\0');
    for (char& each : bytes) each = static_cast<char>(random() & 0xff);
    return bytes;
  };
  DnsSocket datagrams = client();
  datagrams.send(noise(60'000));
  for (int round = 0; round < 500; ++round) datagrams.send(noise(random() % 100));
  for (int round = 0; round < 50; ++round) {
    DnsSocket stream = client(SOCK_STREAM);
    stream.send(noise(1 + random() % 1000));
  }
  DnsSocket rest = client(SOCK_STREAM);
  rest.send("\xff\xff");
  EXPECT_TRUE(rest.at_end());
  EXPECT_EQ(addresses("web"), Texts{"172.18.0.2"});
  EXPECT_TRUE(shim_->running());
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_F(DnsTest, NeedsLittleMemory) {
  std::string lines;
  for (int host = 10'000; host < 12'000; ++host) lines += "host" + std::to_string(host) + " 172.18.0.2\n";
  publish(lines + "web 172.18.0.3\n");
  start();
  for (int round = 0; round < 100; ++round) EXPECT_EQ(addresses("web"), Texts{"172.18.0.3"});
  EXPECT_EQ(addresses("host11999"), Texts{"172.18.0.2"});
  const std::string path = "/proc/" + std::to_string(shim_->pid()) + "/smaps_rollup";
  auto proportional_set_size = [&] {
    const std::string text = read_text(path);
    return std::stoi(text.substr(text.find("\nPss:") + 5));
  };
  EXPECT_TRUE(eventually([&] { return proportional_set_size() < 512; })) << proportional_set_size();
}
#endif

}  // namespace
}  // namespace gantry::test
