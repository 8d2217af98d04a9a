#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "shim/shim_process.h"

namespace gantry::test {
namespace {

using nlohmann::json;

/// A container with an open stdin.
class Attach : public ::testing::Test {
 protected:
  Attach() { bundle_.shim["stdin"]["open"] = true; }

  void run(const std::string& script) {
    bundle_.run_script(script);
    shim_ = std::make_unique<ShimProcess>(bundle_);
    json answer = shim_->control.request({{"type", "run"}});
    ASSERT_TRUE(answer.contains("ok")) << answer;
  }

  /// Attached before the start, so that nothing is missed.
  Peer run_attached(const std::string& script) {
    bundle_.run_script(script);
    shim_ = std::make_unique<ShimProcess>(bundle_);
    EXPECT_TRUE(shim_->control.request({{"type", "create"}}).contains("ok"));
    Peer client = shim_->attach(true, true, true);
    EXPECT_TRUE(shim_->control.request({{"type", "start"}}).contains("ok"));
    return client;
  }

  Bundle bundle_;
  std::unique_ptr<ShimProcess> shim_;
};

TEST_F(Attach, BeforeTheStartMissesNothing) {
  bundle_.run_script("echo out; echo err >&2");
  ShimProcess shim(bundle_);
  shim.control.request({{"type", "create"}});
  Peer client = shim.attach(false, true, true);
  Peer errors = shim.attach(false, false, true);
  shim.control.request({{"type", "start"}});
  const std::string frames = client.read_to_end();
  EXPECT_EQ(demultiplex(frames, 1), "out\n");
  EXPECT_EQ(demultiplex(frames, 2), "err\n");
  EXPECT_EQ(errors.read_to_end(), std::string("\2\0\0\0\0\0\0\4err\n", 12));
}

TEST_F(Attach, InputOfSeveralClientsReachesTheContainer) {
  run("while read line; do echo got $line; done");
  Peer first = shim_->attach(true, true, true);
  Peer second = shim_->attach(true, true, true);
  Peer watcher = shim_->attach(false, true, true);
  first.send_raw("a\n");
  second.read_until("got a\n");
  second.send_raw("b\n");
  watcher.send_raw("ignored\n");
  EXPECT_EQ(first.read_until("got b\n").substr(8, 6), "got a\n");
  watcher.read_until("got b\n");
  // Input stays open for the next client.
  first.end_input();
  first.close();
  second.send_raw("c\n");
  watcher.read_until("got c\n");
  EXPECT_EQ(bundle_.logged(), "got a\ngot b\ngot c\n");
}

TEST_F(Attach, OnceClosesTheInputWithTheFirstClient) {
  bundle_.shim["stdin"]["once"] = true;
  run("cat; echo done");
  Peer client = shim_->attach(true, true, true);
  client.send_raw("text\n");
  client.end_input();
  EXPECT_EQ(demultiplex(client.read_to_end(), 1), "text\ndone\n");
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 0);
}

TEST_F(Attach, AClosedInputReadsAsEmpty) {
  bundle_.shim["stdin"]["open"] = false;
  run("cat; echo empty");
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 0);
  EXPECT_EQ(bundle_.logged(), "empty\n");
}

TEST_F(Attach, CarriesMuchInputAndOutput) {
  bundle_.shim["stdin"]["once"] = true;
  Peer client = run_attached("cat");
  std::string text;
  while (text.size() < 8 * 1024 * 1024) text += std::string(500, '.') + std::to_string(text.size()) + "\n";
  if (fork() == 0) {
    client.send_raw(text);
    client.end_input();
    _exit(0);
  }
  EXPECT_TRUE(demultiplex(client.read_to_end(), 1) == text);
  EXPECT_TRUE(bundle_.logged() == text);
  wait(nullptr);
}

TEST_F(Attach, ASlowClientHoldsTheContainerBackUntilItVanishes) {
  Peer slow = run_attached("yes " + std::string(500, 'y') + " | head -c 20000000; echo; echo end");
  size_t size = 0;
  // The container comes to a stop ...
  ASSERT_TRUE(eventually([&] {
    size_t before = size;
    size = bundle_.log().size();
    usleep(200'000);
    return size > 0 && size == before;
  }));
  EXPECT_LT(bundle_.logged().size(), 8'000'000U);
  EXPECT_EQ(shim_->control.request({{"type", "state"}})["ok"]["status"], "running");
  // ... and goes on.
  slow.close();
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 0);
  EXPECT_EQ(bundle_.logged().size(), 20'000'000U + 5);
}

TEST_F(Attach, ASlowClientGetsEverythingInTheEnd) {
  Peer slow = run_attached("yes " + std::string(500, 'y') + " | head -c 3000000");
  usleep(500'000);
  EXPECT_EQ(demultiplex(slow.read_to_end(), 1).size(), 3'000'000U);
}

TEST_F(Attach, AContainerThatDoesNotReadDoesNotBlockTheShim) {
  run("sleep 1000");
  Peer client = shim_->attach(true, true, true);
  const std::string block(65536, 'x');
  while (send(client.fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) usleep(1000);
  Peer other = shim_->attach(true, true, true);
  EXPECT_EQ(shim_->control.request({{"type", "state"}})["ok"]["status"], "running");
  client.close();
  other.close();
  shim_->control.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 137);
}

TEST_F(Attach, InputThatTheContainerClosedIsDropped) {
  Peer client = run_attached("exec <&-; echo closed; sleep 0.3; echo end");
  client.read_until("closed\n");
  client.send_raw(std::string(200'000, 'x'));
  client.read_until("end\n");
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 0);
}

TEST_F(Attach, ATerminalIsRawAndHasASize) {
  bundle_.use_terminal();
  Peer client = run_attached("stty size; read line; stty size; echo got $line >&2");
  client.read_until("24 80\r\n");
  EXPECT_TRUE(shim_->control.request({{"type", "resize"}, {"width", 120}, {"height", 50}}).contains("ok"));
  client.send_raw("hello\n");
  const std::string rest = client.read_to_end();
  EXPECT_NE(rest.find("50 120\r\n"), std::string::npos) << rest;
  EXPECT_NE(rest.find("got hello\r\n"), std::string::npos) << rest;
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 0);
}

TEST_F(Attach, ResizeWithoutATerminalIsAnError) {
  run("sleep 100");
  EXPECT_EQ(shim_->control.request({{"type", "resize"}, {"width", 1}, {"height", 1}})["error"]["errno"], ENOTTY);
}

TEST_F(Attach, BeforeThereIsAContainerIsRefused) {
  ShimProcess shim(bundle_);
  Peer client = shim.connect();
  client.send({{"type", "attach"}, {"stdout", true}});
  EXPECT_EQ(client.receive()["error"]["errno"], ESRCH);
}

}  // namespace
}  // namespace gantry::test
