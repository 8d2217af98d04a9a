#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "shim/shim_process.h"

namespace gantry::test {
namespace {

using nlohmann::json;

constexpr char kCrun[] = "/usr/bin/crun";

/// crun refuses hosts that have controllers in both versions of cgroups; on those it is not shown the second one.
constexpr char kWithoutUnified[] = R"(#!/bin/sh
exec unshare --mount sh -c 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec /usr/bin/crun "$@"' crun "$@"
)";

/// The same life with crun in the place of Gantry's isolation.
class ExternalRuntime : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kCrun, X_OK) != 0) GTEST_SKIP() << kCrun << " is not installed";
    write_text(bundle_.path("crun"), kWithoutUnified);
    chmod(bundle_.path("crun").c_str(), 0700);
    bundle_.shim["runtime"] = {{"path", bundle_.path("crun")}, {"args", {"--cgroup-manager=cgroupfs"}}};
    bundle_.use_overlay();
  }
  void run(const std::string& script) {
    bundle_.run_script(script);
    shim_ = std::make_unique<ShimProcess>(bundle_);
    json answer = shim_->control.request({{"type", "run"}});
    ASSERT_TRUE(answer.contains("ok")) << answer << read_text(bundle_.path("shim.log"));
  }

  Bundle bundle_;
  std::unique_ptr<ShimProcess> shim_;
};

TEST_F(ExternalRuntime, RunsAndRecordsTheExit) {
  bundle_.spec["process"]["user"] = {{"username", "bob"}};
  run("id -u; id -G; echo $HOME; echo err >&2; exit 8");
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 8);
  EXPECT_EQ(bundle_.logged("stdout"), "1000\n1000 2000\n/home/bob\n");
  EXPECT_EQ(bundle_.logged("stderr"), "err\n");
  EXPECT_EQ(bundle_.exit_record()["exitCode"], 8);
  EXPECT_EQ(shim_->wait(), 0);
  EXPECT_NE(access(bundle_.path("oci").c_str(), F_OK), 0);
}

TEST_F(ExternalRuntime, ExecsWithInputAndExitCode) {
  run("sleep 1000");
  Peer stream = shim_->exec("one", "cat; exit 4", true);
  stream.send_raw("text");
  stream.end_input();
  EXPECT_EQ(demultiplex(stream.read_to_end(), 1), "text");
  EXPECT_EQ(shim_->control.event("exec-exit")["exitCode"], 4);
  shim_->control.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(shim_->control.event("exit")["exitCode"], 137);
}

TEST_F(ExternalRuntime, HandsOverItsTerminal) {
  bundle_.use_terminal();
  bundle_.shim["stdin"]["open"] = true;
  run("read line; stty size; echo got $line");
  Peer client = shim_->attach(true, true, true);
  EXPECT_TRUE(shim_->control.request({{"type", "resize"}, {"width", 70}, {"height", 20}}).contains("ok"));
  client.send_raw("hello\n");
  const std::string output = client.read_to_end();
  EXPECT_NE(output.find("20 70\r\n"), std::string::npos) << output;
  EXPECT_NE(output.find("got hello\r\n"), std::string::npos) << output;
}

TEST_F(ExternalRuntime, ItsErrorsAreAnswered) {
  bundle_.spec["process"]["args"] = {"/bin/absent"};
  ShimProcess shim(bundle_);
  json error = shim.control.request({{"type", "run"}})["error"];
  EXPECT_EQ(error["exitCode"], 127) << error;
  EXPECT_NE(error["message"].get<std::string>().find("/bin/absent"), std::string::npos) << error;
  EXPECT_EQ(shim.wait(), 0);
}

TEST_F(ExternalRuntime, ACreatedAndAbandonedContainerLeavesNothing) {
  bundle_.run_script("sleep 1000");
  ShimProcess shim(bundle_);
  pid_t init = shim.control.request({{"type", "create"}})["ok"]["pid"];
  shim.control.close();
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_TRUE(eventually([&] { return kill(init, 0) < 0; }));
}

}  // namespace
}  // namespace gantry::test
