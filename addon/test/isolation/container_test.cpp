#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"

namespace gantry::test {
namespace {

std::string own_namespace(const char* name) {
  char target[64];
  const ssize_t size = ::readlink((std::string("/proc/self/ns/") + name).c_str(), target, sizeof target);
  return std::string(target, size > 0 ? static_cast<size_t>(size) : 0);
}

constexpr const char* kTypes[] = {"pid", "net", "mnt", "ipc", "uts", "cgroup"};

TEST(Container, HasNamespacesOfItsOwn) {
  Bundle bundle;
  for (const char* type : kTypes) {
    const Outcome outcome = bundle.run_script(std::string("readlink /proc/self/ns/") + type);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(trim(outcome.out).compare(0, strlen(type) + 2, std::string(type) + ":["), 0) << outcome.out;
    EXPECT_NE(trim(outcome.out), own_namespace(type));
  }
}

TEST(Container, SharesWhatItsSpecDoesNotList) {
  Bundle bundle;
  bundle.spec().erase("hostname");
  for (const char* type : {"ipc", "uts", "network", "cgroup"}) bundle.remove_namespace(type);
  const Outcome outcome = bundle.run_script("for n in net ipc uts cgroup; do readlink /proc/self/ns/$n; done");
  EXPECT_EQ(outcome.out, own_namespace("net") + "\n" + own_namespace("ipc") + "\n" + own_namespace("uts") + "\n" +
                             own_namespace("cgroup") + "\n");
}

TEST(Container, JoinsNamespacesByPathAndComesBack) {
  Bundle first, second;
  Sleeper sleeper(first);
  const std::string prefix = "/proc/" + std::to_string(sleeper.init().pid()) + "/ns/";
  for (auto& entry : second.linux_section()["namespaces"]) {
    if (entry["type"] == "network") entry["path"] = prefix + "net";
    if (entry["type"] == "ipc") entry["path"] = prefix + "ipc";
    if (entry["type"] == "pid") entry["path"] = prefix + "pid";
  }
  const std::string before = own_namespace("net") + own_namespace("ipc") + own_namespace("pid_for_children");
  const std::string theirs =
      sleeper.exec_script("for n in net ipc pid; do readlink /proc/self/ns/$n; done; cat /proc/1/cmdline").out;
  const Outcome outcome =
      second.run_script("for n in net ipc pid; do readlink /proc/self/ns/$n; done; cat /proc/1/cmdline");
  EXPECT_EQ(outcome.out, theirs);
  EXPECT_EQ(own_namespace("net") + own_namespace("ipc") + own_namespace("pid_for_children"), before);
}

TEST(Container, RefusesANamespaceItCannotJoin) {
  Bundle bundle;
  bundle.linux_section()["namespaces"][0]["path"] = "/proc/1/ns/mnt";
  EXPECT_THROW(bundle.run(), Error);
  Bundle wrong;
  for (auto& entry : wrong.linux_section()["namespaces"])
    if (entry["type"] == "network") entry["path"] = "/proc/self/ns/uts";
  EXPECT_THROW(wrong.run(), Error);
}

TEST(Container, IsProcessOneWithItsHostname) {
  Bundle bundle;
  bundle.spec()["domainname"] = "example";
  const Outcome outcome = bundle.run_script("echo $$; hostname; cat /proc/sys/kernel/domainname");
  EXPECT_EQ(outcome.out, "1\nbox\nexample\n");
}

TEST(Container, SeesOnlyItsStandardStreams) {
  // A descriptor that somebody forgot to mark must not get in either.
  const int leak = ::open("/", O_RDONLY);
  Bundle bundle;
  bundle.arguments({"ls", "/proc/self/fd"});
  const Outcome outcome = bundle.run();
  EXPECT_EQ(outcome.out, "0\n1\n2\n3\n") << "3 is the directory being listed";
  Sleeper sleeper(bundle);
  EXPECT_EQ(sleeper
                .exec([&] {
                  auto process = bundle.process();
                  process["args"] = {"ls", "/proc/self/fd"};
                  return process;
                }())
                .out,
            "0\n1\n2\n3\n");
  ::close(leak);
}

TEST(Container, StartsWithDefaultSignals) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  Bundle bundle;
  bundle.arguments({"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"});
  const Outcome outcome = bundle.run();
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(outcome.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(Container, RefusesByNameWhatItDoesNotDo) {
  const std::pair<const char*, const char*> cases[] = {{"/linux/intelRdt/closID", "linux.intelRdt"},
                                                       {"/hooks/prestart/0/path", "hooks"},
                                                       {"/process/scheduler/policy", "process.scheduler"},
                                                       {"/linux/seccomp/defaultAction", "linux.seccomp"},
                                                       {"/process/selinuxLabel", "selinuxLabel"}};
  for (const auto& [pointer, name] : cases) {
    Bundle bundle;
    bundle.spec()[nlohmann::json::json_pointer(pointer)] = "x";
    try {
      bundle.run();
      ADD_FAILURE() << pointer;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

TEST(Container, DiesWithItsParent) {
  Bundle bundle;
  bundle.script("trap '' TERM; echo up; while :; do sleep 1; done");
  Capture capture;
  const pid_t parent = ::fork();
  if (parent == 0) {
    LaunchOptions options;
    options.stdio = capture.stdio();
    Process process = create_container(bundle.spec(), options);
    process.start();
    ::pause();
    ::_exit(0);
  }
  capture.close_writers();
  EXPECT_EQ(capture.read_line(), "up");
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_EQ(capture.read_line(), "") << "the end of its output, as nobody holds the pipe any more";
}

TEST(Container, CreatedOneWaitsAndLeavesNothingWhenDropped) {
  Bundle bundle;
  bundle.arguments({"touch", "/ran"});
  pid_t pid;
  {
    Process process = create_container(bundle.spec(), {});
    pid = process.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
    ::usleep(50000);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  struct stat status;
  EXPECT_EQ(::stat(bundle.root("/ran").c_str(), &status), -1);
}

TEST(Container, FailureLeavesNoProcessMountOrDescriptor) {
  const auto descriptors = [] {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
  };
  const auto breakages = {
      +[](Bundle& bundle) { bundle.spec()["root"]["path"] = "/absent"; },
      +[](Bundle& bundle) { bundle.add_mount("/x", "bind", "/absent", {}); },
      +[](Bundle& bundle) { bundle.add_mount("/x", "nosuchfs", "x", {}); },
      +[](Bundle& bundle) { bundle.add_mount("/x", "tmpfs", "x", {"size=nonsense"}); },
      +[](Bundle& bundle) { bundle.add_mount("/etc/passwd", "tmpfs", "x", {}); },
      +[](Bundle& bundle) { bundle.linux_section()["sysctl"]["net.absent"] = "1"; },
      +[](Bundle& bundle) { bundle.process()["user"]["username"] = "nobody-here"; },
      +[](Bundle& bundle) { bundle.process()["cwd"] = "/etc/passwd"; },
      +[](Bundle& bundle) {
        bundle.process()["rlimits"] = {{{"type", "RLIMIT_X"}, {"soft", 1}, {"hard", 1}}};
      },
      +[](Bundle& bundle) { bundle.process()["args"] = {"absent"}; },
      +[](Bundle& bundle) { bundle.process()["args"] = nlohmann::json::array(); },
      +[](Bundle& bundle) { bundle.process()["oomScoreAdj"] = 5000; },
      +[](Bundle& bundle) { bundle.process()["capabilities"]["bounding"] = {"CAP_X"}; },
      +[](Bundle& bundle) { bundle.process()["args"] = 5; },
  };
  const std::string mounts = read_file("/proc/self/mountinfo");
  const int before = descriptors();
  for (const auto breakage : breakages) {
    Bundle bundle;
    breakage(bundle);
    EXPECT_ANY_THROW(bundle.run());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts);
  EXPECT_EQ(descriptors(), before);
}

}  // namespace
}  // namespace gantry::test
