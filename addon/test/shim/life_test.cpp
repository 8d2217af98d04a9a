#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>

#include "shim/shim_process.h"

namespace gantry::test {
namespace {

using nlohmann::json;

TEST(Life, RunsAndRecordsTheExit) {
  Bundle bundle;
  bundle.run_script("echo out; echo err >&2; exit 7");
  ShimProcess shim(bundle);
  json answer = shim.control.request({{"type", "run"}});
  ASSERT_TRUE(answer.contains("ok")) << answer;
  EXPECT_GT(answer["ok"]["pid"], 0);
  json exit = shim.control.event("exit");
  EXPECT_EQ(exit["exitCode"], 7);
  EXPECT_EQ(exit["oomKilled"], false);
  json record = bundle.exit_record();
  EXPECT_EQ(record["exitCode"], 7);
  EXPECT_EQ(record["startedAt"], answer["ok"]["startedAt"]);
  EXPECT_EQ(record["finishedAt"], exit["finishedAt"]);
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_FALSE(bundle.has_cgroup());
  EXPECT_EQ(bundle.logged("stdout"), "out\n");
  EXPECT_EQ(bundle.logged("stderr"), "err\n");
}

TEST(Life, WaitsBetweenCreateAndStart) {
  Bundle bundle;
  bundle.use_overlay();
  bundle.run_script("echo hello > /tmp/file; cat /tmp/file");
  ShimProcess shim(bundle);
  ASSERT_TRUE(shim.control.request({{"type", "create"}}).contains("ok"));
  EXPECT_EQ(shim.control.request({{"type", "state"}})["ok"]["status"], "created");
  ASSERT_TRUE(shim.control.request({{"type", "start"}}).contains("ok"));
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 0);
  EXPECT_EQ(bundle.logged(), "hello\n");
  EXPECT_EQ(read_text(bundle.path("upper/tmp/file")), "hello\n");
}

TEST(Life, ReportsASignalAs128AndItsNumber) {
  Bundle bundle;
  bundle.run_script("sleep 100");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  EXPECT_TRUE(shim.control.request({{"type", "kill"}, {"signal", SIGKILL}}).contains("ok"));
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 128 + SIGKILL);
}

TEST(Life, DeliversASignalThatInitHandles) {
  Bundle bundle;
  bundle.run_script("trap 'exit 5' TERM; echo ready; while true; do sleep 0.05; done");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  ASSERT_TRUE(eventually([&] { return bundle.logged() == "ready\n"; }));
  shim.control.request({{"type", "kill"}, {"signal", SIGTERM}});
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 5);
}

TEST(Life, RefusesToKillBeforeThereIsAProcess) {
  Bundle bundle;
  ShimProcess shim(bundle);
  EXPECT_EQ(shim.control.request({{"type", "kill"}, {"signal", 9}})["error"]["errno"], ESRCH);
}

TEST(Life, AnswersAMissingCommandWith127AndLeavesNothing) {
  Bundle bundle;
  bundle.spec["process"]["args"] = {"/bin/absent"};
  ShimProcess shim(bundle);
  json error = shim.control.request({{"type", "run"}})["error"];
  EXPECT_EQ(error["exitCode"], 127) << error;
  EXPECT_EQ(error["errno"], ENOENT);
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_NE(access(bundle.path("state/exit.json").c_str(), F_OK), 0);
}

TEST(Life, AnswersAnUnreadableBundleAndEnds) {
  Bundle bundle;
  bundle.shim.erase("stateDirectory");
  ShimProcess shim(bundle);
  json answer = shim.control.request({{"type", "run"}});
  EXPECT_NE(answer["error"]["message"].get<std::string>().find("stateDirectory"), std::string::npos) << answer;
  EXPECT_EQ(shim.wait(), 0);
}

TEST(Life, LeavesNothingWhenItIsCreatedAndAbandoned) {
  Bundle bundle;
  bundle.run_script("sleep 1000");
  ShimProcess shim(bundle);
  pid_t init = shim.control.request({{"type", "create"}})["ok"]["pid"];
  ASSERT_EQ(kill(init, 0), 0);
  shim.control.close();
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_EQ(kill(init, 0), -1);
  EXPECT_NE(access(bundle.path("state/exit.json").c_str(), F_OK), 0);
  EXPECT_NE(access(bundle.path("state/exit.json.tmp").c_str(), F_OK), 0);
}

TEST(Life, LivesOnWithoutAnyConnection) {
  Bundle bundle;
  bundle.run_script("dd if=/dev/zero bs=1024 count=10240 2>/dev/null | busybox tr '\\0' 'x'; echo; exit 3");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  shim.control.close();
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_EQ(bundle.exit_record()["exitCode"], 3);
  EXPECT_EQ(bundle.logged(), std::string(10 * 1024 * 1024, 'x') + "\n");
}

TEST(Life, IsFoundAgainByALaterDaemon) {
  Bundle bundle;
  bundle.run_script("sleep 100");
  ShimProcess shim(bundle);
  json run = shim.control.request({{"type", "run"}})["ok"];
  shim.control.close();
  Peer second = shim.connect_control();
  json state = second.request({{"type", "state"}})["ok"];
  EXPECT_EQ(state["status"], "running");
  EXPECT_EQ(state["pid"], run["pid"]);
  EXPECT_EQ(state["startedAt"], run["startedAt"]);
  Peer third = shim.connect_control();
  third.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(second.event("exit")["exitCode"], 137);
  EXPECT_EQ(third.event("exit")["exitCode"], 137);
}

TEST(Life, IgnoresTheSignalsThatStopADaemon) {
  Bundle bundle;
  bundle.run_script("sleep 100");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) kill(shim.pid(), signal);
  EXPECT_EQ(shim.control.request({{"type", "state"}})["ok"]["status"], "running");
}

TEST(Life, LeavesTheContainerTheDefaultSignals) {
  Bundle bundle;
  bundle.run_script("cat /proc/self/status; cat /proc/self/oom_score_adj");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  shim.control.event("exit");
  const std::string status = bundle.logged();
  EXPECT_NE(status.find("SigIgn:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("SigBlk:\t0000000000000000"), std::string::npos);
  EXPECT_EQ(status.substr(status.size() - 3), "\n0\n");
}

TEST(Life, KillsWhatOutlivesInitInTheHostsPidNamespace) {
  Bundle bundle;
  auto& namespaces = bundle.spec["linux"]["namespaces"];
  namespaces.erase(0);
  bundle.spec["mounts"][0] = {{"destination", "/proc"}, {"type", "bind"}, {"source", "/proc"}, {"options", {"rbind"}}};
  bundle.run_script("sleep 1000 & echo $!; exit 4");
  ShimProcess shim(bundle);
  json answer = shim.control.request({{"type", "run"}});
  ASSERT_TRUE(answer.contains("ok")) << answer;
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 4);
  pid_t left = std::stoi(bundle.logged());
  EXPECT_TRUE(eventually([&] { return kill(left, 0) < 0; }));
}

TEST(Life, ReportsThatMemoryRanOut) {
  Bundle bundle;
  bundle.spec["linux"]["resources"]["memory"] = {{"limit", 16 * 1024 * 1024}};
  bundle.run_script("tail -c 100000000 /dev/zero; exit $?");
  ShimProcess shim(bundle);
  json answer = shim.control.request({{"type", "run"}});
  ASSERT_TRUE(answer.contains("ok")) << answer;
  shim.control.event("oom");
  EXPECT_EQ(shim.control.event("exit")["oomKilled"], true);
  EXPECT_EQ(bundle.exit_record()["oomKilled"], true);
}

/// A container whose state directory is full.
class FullDisk : public ::testing::Test {
 protected:
  FullDisk() {
    EXPECT_EQ(mount("tmpfs", state_.c_str(), "tmpfs", 0, "size=64k"), 0);
    bundle_.shim["log"] = {{"driver", "none"}};
    bundle_.run_script("sleep 1000");
  }
  ~FullDisk() override { umount2(state_.c_str(), MNT_DETACH); }
  void fill() { write_text(state_ + "/filler", std::string(128 * 1024, 'x')); }

  Bundle bundle_;
  std::string state_ = bundle_.path("state");
};

TEST_F(FullDisk, KeepsNobodyFromEnding) {
  ShimProcess shim(bundle_);
  shim.control.request({{"type", "run"}});
  fill();
  shim.control.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 137);
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_EQ(bundle_.exit_record()["exitCode"], 137);
}

TEST_F(FullDisk, IsToldAtTheStart) {
  fill();
  ShimProcess shim(bundle_);
  json error = shim.control.request({{"type", "run"}})["error"];
  EXPECT_EQ(error["errno"], ENOSPC) << error;
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_FALSE(bundle_.has_cgroup());
  EXPECT_NE(access((state_ + "/exit.json.tmp").c_str(), F_OK), 0);
}

/// A container whose exit record cannot be put into place.
class UnwritableRecord : public ::testing::Test {
 protected:
  UnwritableRecord() {
    bundle_.run_script("exit 11");
    mkdir(in_the_way_.c_str(), 0700);
    shim_ = std::make_unique<ShimProcess>(bundle_);
    shim_->control.request({{"type", "run"}});
    EXPECT_TRUE(eventually([&] { return !bundle_.has_cgroup(); }));
  }
  void make_room() { rmdir(in_the_way_.c_str()); }

  Bundle bundle_;
  std::string in_the_way_ = bundle_.path("state/exit.json");
  std::unique_ptr<ShimProcess> shim_;
};

TEST_F(UnwritableRecord, DoesNotLoseTheExitCode) {
  shim_->control.close();
  usleep(300'000);
  EXPECT_TRUE(shim_->running());
  make_room();
  EXPECT_EQ(shim_->wait(), 0);
  EXPECT_EQ(bundle_.exit_record()["exitCode"], 11);
}

TEST_F(UnwritableRecord, DelaysTheAnswerThatTheContainerHasStopped) {
  Peer asker = shim_->connect_control();
  asker.send({{"id", 1}, {"type", "state"}});
  pollfd answered{asker.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&answered, 1, 300), 0);
  make_room();
  json state = asker.receive()["ok"];
  EXPECT_EQ(state["status"], "stopped");
  EXPECT_EQ(state["exitCode"], 11);
  EXPECT_EQ(bundle_.exit_record()["exitCode"], 11);
  asker.event("exit");
}

TEST(Life, ReportsAContainerThatIsKilledBeforeItsStart) {
  Bundle bundle;
  ShimProcess shim(bundle);
  shim.control.request({{"type", "create"}});
  shim.control.request({{"type", "kill"}, {"signal", SIGKILL}});
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 137);
  EXPECT_EQ(shim.wait(), 0);
  EXPECT_NE(access(bundle.path("state/exit.json").c_str(), F_OK), 0);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(Life, NeedsLittleMemoryWhileAContainerRuns) {
  Bundle bundle;
  bundle.run_script("yes " + std::string(500, 'y') + " | head -c 3000000; sleep 1000");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  const std::string path = "/proc/" + std::to_string(shim.pid()) + "/smaps_rollup";
  auto proportional_set_size = [&] {
    const std::string text = read_text(path);
    return std::stoi(text.substr(text.find("\nPss:") + 5));
  };
  EXPECT_TRUE(eventually([&] { return bundle.log().size() > 3'000'000 && proportional_set_size() < 512; }))
      << proportional_set_size();
}
#endif

}  // namespace
}  // namespace gantry::test
