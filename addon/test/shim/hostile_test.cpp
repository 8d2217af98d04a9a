#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <random>

#include "shim/shim_process.h"

namespace gantry::test {
namespace {

using nlohmann::json;

/// A running container, whose shim has to bear whatever comes in through its socket.
class Hostile : public ::testing::Test {
 protected:
  Hostile() {
    bundle_.run_script("sleep 1000");
    shim_ = std::make_unique<ShimProcess>(bundle_);
    shim_->control.request({{"type", "run"}});
  }
  ~Hostile() override { EXPECT_EQ(shim_->control.request({{"type", "state"}})["ok"]["status"], "running"); }

  Bundle bundle_;
  std::unique_ptr<ShimProcess> shim_;
};

std::string framed(const std::string& text) {
  std::string length(4, '\0');
  for (size_t byte = 0; byte < 4; ++byte) length[byte] = static_cast<char>(text.size() >> (8 * byte) & 0xff);
  return length + text;
}

TEST_F(Hostile, AnOversizedMessageDropsTheConnection) {
  Peer peer = shim_->connect();
  peer.send_raw(std::string("\xff\xff\xff\xff", 4));
  EXPECT_TRUE(eventually([&] { return peer.closed(); }));
}

TEST_F(Hostile, WhatIsNotARequestDropsTheConnection) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& text : {std::string("{not json"), std::string("[]"), std::string("null"), std::string("{}"),
                                  std::string("{\"type\":1}"), std::string(""), "{\"type\":" + deep + "}", deep}) {
    Peer peer = shim_->connect();
    peer.send_raw(framed(text));
    EXPECT_TRUE(eventually([&] { return peer.closed(); })) << text.substr(0, 50);
  }
}

TEST_F(Hostile, ABadRequestOnAControlConnectionIsAnsweredOrDropsIt) {
  Peer peer = shim_->connect_control();
  EXPECT_TRUE(peer.request({{"type", "nonsense"}}).contains("error"));
  EXPECT_TRUE(peer.request({{"type", "kill"}, {"signal", "nine"}}).contains("error"));
  EXPECT_TRUE(peer.request({{"type", "kill"}, {"signal", 4711}}).contains("error"));
  EXPECT_TRUE(peer.request({{"type", "resize"}}).contains("error"));
  EXPECT_TRUE(peer.request({{"type", "run"}}).contains("error"));
  EXPECT_TRUE(peer.request({{"type", "create"}}).contains("error"));
  peer.send({{"id", {1, 2}}, {"type", "state"}});
  EXPECT_TRUE(eventually([&] { return peer.closed(); }));
}

TEST_F(Hostile, BadExecRequestsAreAnswered) {
  for (const json& request :
       {json{{"type", "exec"}}, json{{"type", "exec"}, {"execId", ""}, {"process", json::object()}},
        json{{"type", "exec"}, {"execId", "a"}, {"process", "text"}},
        json{{"type", "exec"}, {"execId", "a"}, {"process", {{"args", 5}}}},
        json{{"type", "exec"}, {"execId", "a"}, {"process", json::object()}}}) {
    Peer peer = shim_->connect();
    peer.send(request);
    EXPECT_TRUE(peer.receive().contains("error")) << request;
  }
}

TEST_F(Hostile, HalfAHeaderAndSilenceBlockNobody) {
  std::vector<Peer> silent;
  for (int count = 0; count < 50; ++count) {
    silent.push_back(shim_->connect());
    silent.back().send_raw(std::string("\x10\0", 2));
  }
  EXPECT_EQ(shim_->control.request({{"type", "state"}})["ok"]["status"], "running");
}

TEST_F(Hostile, RandomBytesDropTheConnection) {
  std::mt19937 random(4711);
  for (int round = 0; round < 200; ++round) {
    Peer peer = shim_->connect();
    std::string bytes(1 + random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    bytes[3] = bytes.size() > 3 ? static_cast<char>(round % 3) : bytes[0];
    try {
      peer.send_raw(bytes);
    } catch (const std::exception&) {
      // dropped before it had taken all of it
    }
  }
}

TEST_F(Hostile, AControlConnectionThatDoesNotReadIsDropped) {
  Peer peer = shim_->connect_control();
  fcntl(peer.fd(), F_SETFL, O_NONBLOCK);
  std::string requests;
  for (int id = 0; id < 100; ++id) requests += framed(json{{"id", id}, {"type", "state"}}.dump());
  try {
    for (int round = 0; round < 2000; ++round) peer.send_raw(requests);
  } catch (const std::exception&) {
    // either it stops taking our bytes or it drops us
  }
}

}  // namespace
}  // namespace gantry::test
