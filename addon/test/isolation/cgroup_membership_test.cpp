#include <gtest/gtest.h>
#include <unistd.h>

#include "bundle.h"
#include "isolation/cgroup.h"

namespace gantry::test {
namespace {

class CgroupMembership : public ::testing::Test {
 protected:
  CgroupMembership() : cgroup_("/gantry-isolation-test-" + std::to_string(::getpid())) { cgroup_.create(); }
  ~CgroupMembership() override { cgroup_.remove(); }

  LaunchOptions options() const {
    LaunchOptions options;
    options.cgroup_path = cgroup_.path();
    return options;
  }

  Cgroup cgroup_;
  Bundle bundle_;
};

TEST_F(CgroupMembership, IsTheRootOfTheContainersNamespace) {
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
  bundle_.script(
      "cat /proc/self/cgroup | grep -E '^0:|memory|pids' | grep -v ':/$'; "
      "cat $(ls -d /sys/fs/cgroup/pids /sys/fs/cgroup | sort -r | sed -n 1p)/cgroup.procs; "
      "touch /sys/fs/cgroup/pids/x /sys/fs/cgroup/cgroup.procs");
  const Outcome outcome = bundle_.run(options());
  EXPECT_EQ(outcome.out.substr(0, 2), "1\n") << outcome.out << outcome.err;
  EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos) << outcome.err;
}

TEST_F(CgroupMembership, HoldsInitAndExecs) {
  Sleeper sleeper(bundle_, options());
  nlohmann::json process = bundle_.process();
  process["args"] = {"sleep", "600"};
  Process exec = create_exec(bundle_.spec(), process, sleeper.init().pid(), sleeper.init().pidfd(), options());
  exec.start();
  for (const pid_t pid : {sleeper.init().pid(), exec.pid()}) {
    std::string text = read_file("/proc/" + std::to_string(pid) + "/cgroup");
    int controllers = 0;
    for (size_t start = 0; start < text.size();) {
      const size_t end = text.find('\n', start);
      const std::string line = text.substr(start, end - start);
      start = end + 1;
      // The others, and named ones like systemd's, are entered only when something is asked of them.
      if (line.find(":memory:") == std::string::npos && line.find("pids") == std::string::npos && line[0] != '0')
        continue;
      EXPECT_EQ(line.substr(line.rfind(':') + 1), cgroup_.path()) << line;
      ++controllers;
    }
    EXPECT_GT(controllers, 0);
  }
  cgroup_.kill();
  EXPECT_EQ(wait_for(exec), 137);
}

TEST_F(CgroupMembership, AbsentCgroupIsAnErrorThatLeavesNothing) {
  LaunchOptions absent = options();
  absent.cgroup_path += "-absent";
  EXPECT_THROW(bundle_.run(absent), Error);
  EXPECT_TRUE(cgroup_.processes().empty());
}

}  // namespace
}  // namespace gantry::test
