#include <gtest/gtest.h>
#include <signal.h>

#include "shim/shim_process.h"

namespace gantry::test {
namespace {

using nlohmann::json;

/// A container that waits, for processes to be started in it.
class Exec : public ::testing::Test {
 protected:
  Exec() {
    bundle_.run_script("sleep 1000 & wait");
    shim_ = std::make_unique<ShimProcess>(bundle_);
    json answer = shim_->control.request({{"type", "run"}});
    EXPECT_TRUE(answer.contains("ok")) << answer;
  }
  json state() { return shim_->control.request({{"type", "state"}})["ok"]; }

  Bundle bundle_;
  std::unique_ptr<ShimProcess> shim_;
};

TEST_F(Exec, DeliversOutputAndThenTheExit) {
  Peer stream = shim_->exec("one", "echo out; echo err >&2; exit 9");
  const std::string frames = stream.read_to_end();
  EXPECT_EQ(demultiplex(frames, 1), "out\n");
  EXPECT_EQ(demultiplex(frames, 2), "err\n");
  json event = shim_->control.event("exec-exit");
  EXPECT_EQ(event["execId"], "one");
  EXPECT_EQ(event["exitCode"], 9);
  json remembered = state()["execs"][0];
  EXPECT_EQ(remembered["running"], false);
  EXPECT_EQ(remembered["exitCode"], 9);
  EXPECT_EQ(bundle_.log(), "");
}

TEST_F(Exec, TakesInputUntilItsEnd) {
  Peer stream = shim_->exec("in", "cat; echo end", true);
  stream.send_raw("text\n");
  stream.end_input();
  EXPECT_EQ(demultiplex(stream.read_to_end(), 1), "text\nend\n");
}

TEST_F(Exec, RunsInTheContainer) {
  Peer stream = shim_->exec("inside", "echo $$; cat /proc/1/cmdline | busybox tr '\\0' ' '; busybox hostname");
  const std::string output = demultiplex(stream.read_to_end(), 1);
  EXPECT_NE(output.find("/bin/sh -c sleep 1000"), std::string::npos) << output;
  EXPECT_NE(output.find("shim-test"), std::string::npos) << output;
}

TEST_F(Exec, OnATerminal) {
  json process = shell_process("stty size; read line; stty size");
  process["terminal"] = true;
  process["consoleSize"] = {{"width", 100}, {"height", 30}};
  Peer stream = shim_->exec("tty", process, true, false);
  stream.read_until("30 100\r\n");
  EXPECT_TRUE(
      shim_->control.request({{"type", "resize"}, {"execId", "tty"}, {"width", 90}, {"height", 20}}).contains("ok"));
  stream.send_raw("\n");
  EXPECT_NE(stream.read_to_end().find("20 90\r\n"), std::string::npos);
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 0);
}

TEST_F(Exec, DetachedClosesTheConnectionAndStillReports) {
  Peer stream = shim_->exec("detached", shell_process("echo dropped; exit 6"), false, true);
  EXPECT_EQ(stream.read_to_end(), "");
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 6);
}

TEST_F(Exec, LivesOnWithoutItsClient) {
  shim_->exec("left", "sleep 0.2; yes | head -c 1000000; echo > /tmp/done; exit 3").close();
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 3);
  EXPECT_EQ(access(bundle_.path("root/tmp/done").c_str(), F_OK), 0);
}

TEST_F(Exec, IsKilledByItsId) {
  Peer stream = shim_->exec("victim", "echo started; exec sleep 1000");
  stream.read_until("started\n");
  EXPECT_TRUE(
      shim_->control.request({{"type", "kill-exec"}, {"execId", "victim"}, {"signal", SIGKILL}}).contains("ok"));
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 137);
  json again = shim_->control.request({{"type", "kill-exec"}, {"execId", "victim"}, {"signal", SIGKILL}});
  EXPECT_EQ(again["error"]["errno"], ESRCH);
}

TEST_F(Exec, EndsAlthoughAGrandchildHoldsItsOutput) {
  Peer stream = shim_->exec("daemonizes", "sleep 1000 & echo parent; exit 0");
  EXPECT_EQ(demultiplex(stream.read_to_end(), 1), "parent\n");
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 0);
}

TEST_F(Exec, AMissingCommandIsAnswered) {
  json process = shell_process("");
  process["args"] = {"absent"};
  Peer stream = shim_->connect();
  stream.send({{"type", "exec"}, {"execId", "x"}, {"process", process}, {"stdout", true}});
  EXPECT_EQ(stream.receive()["error"]["exitCode"], 127);
  EXPECT_TRUE(stream.read_to_end().empty());
  EXPECT_EQ(state()["status"], "running");
}

TEST_F(Exec, AnIdIsTakenOnlyOnce) {
  Peer first = shim_->exec("same", "sleep 100");
  Peer second = shim_->connect();
  second.send({{"type", "exec"}, {"execId", "same"}, {"process", shell_process("true")}});
  EXPECT_EQ(second.receive()["error"]["errno"], EEXIST);
}

TEST_F(Exec, RemembersABoundedNumber) {
  for (int number = 0; number < 140; ++number) shim_->exec(std::to_string(number), "true").read_to_end();
  json execs = state()["execs"];
  EXPECT_EQ(execs.size(), 128U);
  EXPECT_EQ(execs.back()["execId"], "139");
}

TEST_F(Exec, EndsBeforeTheContainer) {
  Peer stream = shim_->exec("last", "echo running; exec sleep 1000");
  stream.read_until("running\n");
  shim_->control.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 137);
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 137);
}

}  // namespace
}  // namespace gantry::test
