#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"

namespace gantry::test {
namespace {

TEST(Exec, RunsInTheContainersNamespaces) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  std::string theirs;
  for (const char* type : {"pid", "net", "mnt", "ipc", "uts", "cgroup"}) {
    char target[64];
    const std::string path = "/proc/" + std::to_string(sleeper.init().pid()) + "/ns/" + type;
    theirs += std::string(target, static_cast<size_t>(::readlink(path.c_str(), target, sizeof target))) + "\n";
  }
  const Outcome outcome =
      sleeper.exec_script("for n in pid net mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done");
  EXPECT_EQ(outcome.out, theirs) << outcome.err;
  EXPECT_EQ(sleeper.exec_script("hostname; cat /proc/1/cmdline").out, std::string("box\nsleep\0"
                                                                                  "600\0",
                                                                                  14));
}

TEST(Exec, IsAChildOfTheCallerAndDiesWithTheContainer) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  process["args"] = {"sleep", "600"};
  Process running = create_exec(bundle.spec(), process, sleeper.init().pid(), sleeper.init().pidfd(), {});
  running.start();
  const std::string status = read_file("/proc/" + std::to_string(running.pid()) + "/status");
  EXPECT_NE(status.find("PPid:\t" + std::to_string(::getpid()) + "\n"), std::string::npos);
  ::kill(sleeper.init().pid(), SIGKILL);
  EXPECT_EQ(wait_for(running), 137);
}

TEST(Exec, HasItsOwnIdentityAndDirectory) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  process["user"] = {{"username", "bob"}, {"additionalGroups", {"77"}}};
  process["cwd"] = "/etc";
  process["args"] = {"sh", "-c", "id -u; id -G; pwd; echo $HOME; grep -E 'CapPrm|CapBnd' /proc/self/status"};
  EXPECT_EQ(sleeper.exec(process).out,
            "1000\n1001 10 50 77\n/etc\n/home/bob\nCapPrm:\t0000000000000000\nCapBnd:\t00000000a80425fb\n");
  process["user"] = {{"username", "nobody-here"}};
  EXPECT_THROW(sleeper.exec(process), Error);
}

TEST(Exec, HasTheContainersLimitsUnlessItHasItsOwn) {
  Bundle bundle;
  bundle.process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 77}, {"hard", 88}}};
  bundle.process()["oomScoreAdj"] = 55;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  process.erase("rlimits");
  process.erase("oomScoreAdj");
  process["args"] = {"sh", "-c", "ulimit -n; cat /proc/self/oom_score_adj"};
  EXPECT_EQ(sleeper.exec(process).out, "77\n55\n");
  process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 66}, {"hard", 66}}};
  EXPECT_EQ(sleeper.exec(process).out, "66\n55\n");
}

TEST(Exec, GetsMoreCapabilitiesWhenPrivileged) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  for (const char* set : {"bounding", "permitted", "effective"})
    process["capabilities"][set] = {"CAP_SYS_ADMIN", "CAP_NET_ADMIN"};
  process["args"] = {"grep", "CapEff", "/proc/self/status"};
  EXPECT_EQ(sleeper.exec(process).out, "CapEff:\t0000000000201000\n");
}

TEST(Exec, FailsAsDockerDoes) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  const auto failure = [&](nlohmann::json process) {
    try {
      sleeper.exec(process);
    } catch (const ProcessError& error) {
      return std::string(error.what()) + " " + std::to_string(error.exit_code());
    }
    return std::string();
  };
  nlohmann::json process = bundle.process();
  process["args"] = {"foo"};
  EXPECT_EQ(failure(process), "exec: \"foo\": executable file not found in $PATH 127");
  process["args"] = {"true"};
  process["cwd"] = "/nope";
  EXPECT_EQ(failure(process), "chdir to cwd (\"/nope\") set in config.json failed: no such file or directory 127");
  process["cwd"] = "/etc/passwd";
  EXPECT_EQ(failure(process), "chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory 127");
}

TEST(Exec, IntoAContainerThatHasEndedIsAnError) {
  Bundle bundle;
  bundle.arguments({"true"});
  Process init = create_container(bundle.spec(), {});
  init.start();
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(init.pidfd()), &info, WEXITED | WNOWAIT);
  EXPECT_THROW(create_exec(bundle.spec(), bundle.process(), init.pid(), init.pidfd(), {}), Error);
  wait_for(init);
  EXPECT_THROW(create_exec(bundle.spec(), bundle.process(), init.pid(), init.pidfd(), {}), Error);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Exec, HostProcessesStayHostsWhenThePidNamespaceIs) {
  Bundle bundle;
  bundle.remove_namespace("pid");
  Sleeper sleeper(bundle);
  EXPECT_EQ(trim(sleeper.exec_script("readlink /proc/self/ns/pid").out),
            trim(bundle.run_script("readlink /proc/self/ns/pid").out));
}

/// The executable of a process that enters can be opened through /proc by the container's root, when the container
/// makes it execute /proc/self/exe (CVE-2019-5736). The shim runs from a sealed memfd, which no one can write to; what
/// is held here is the part that belongs to this library: until it executes, such a process is not dumpable, so nothing
/// in the container can open its entries, and no descriptor of its own outlives the execve.
TEST(Exec, CannotBeLookedInto) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  process["args"] = {"true"};
  Process waiting = create_exec(bundle.spec(), process, sleeper.init().pid(), sleeper.init().pidfd(), {});
  const std::string name = trim(read_file("/proc/self/comm"));
  const Outcome outcome = sleeper.exec_script(
      "for p in /proc/[0-9]*; do test \"$(cat $p/comm)\" = \"" + name +
      "\" && echo found && for f in exe root cwd fd/0 fd/3; do readlink $p/$f; done; done 2>/dev/null; true");
  EXPECT_EQ(outcome.out, "found\n") << outcome.err;
}

}  // namespace
}  // namespace gantry::test
