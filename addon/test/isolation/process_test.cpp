#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>

#include "bundle.h"

namespace gantry::test {
namespace {

std::string status_of(Bundle& bundle, const std::string& fields) {
  bundle.arguments({"grep", "-E", "^(" + fields + "):", "/proc/self/status"});
  const Outcome outcome = bundle.run();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out;
}

TEST(Process, HasExactlyItsCapabilities) {
  Bundle bundle;
  EXPECT_EQ(status_of(bundle, "Cap.*"),
            "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
            "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n");
  bundle.process()["capabilities"] = nlohmann::json::object();
  EXPECT_EQ(status_of(bundle, "Cap.*"),
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
            "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

TEST(Process, ANulByteIsRefusedAndCutsNothingOff) {
  using namespace std::string_literals;
  Bundle bundle;
  bundle.arguments({"echo", "one\0two"s});
  EXPECT_THROW(bundle.run(), Error);
  bundle.arguments({"true"});
  EXPECT_EQ(bundle.run().exit_code, 0);
  bundle.process()["cwd"] = "/tmp\0x"s;
  EXPECT_THROW(bundle.run(), Error);
}

TEST(Process, LeavesOutCapabilitiesThatTheHostDoesNotHave) {
  Bundle bundle;
  std::vector<std::string> all;
  for (const char* name : {"CAP_SYS_RESOURCE", "CAP_SYS_ADMIN", "CAP_CHOWN"}) all.push_back(name);
  for (const char* set : {"bounding", "permitted", "effective"}) bundle.process()["capabilities"][set] = all;
  uint64_t own = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, 7, "CapPrm:") == 0) own = std::stoull(line.substr(8), nullptr, 16);
  char expected[64];
  std::snprintf(expected, sizeof expected, "CapPrm:\t%016lx\n", static_cast<unsigned long>(own & 0x1200001));
  EXPECT_EQ(status_of(bundle, "CapPrm"), expected);
}

TEST(Process, GivesAmbientCapabilitiesToAUser) {
  Bundle bundle;
  for (const char* set : {"bounding", "permitted", "effective", "inheritable", "ambient"})
    bundle.process()["capabilities"][set] = {"CAP_NET_BIND_SERVICE"};
  bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
  EXPECT_EQ(status_of(bundle, "CapEff|CapAmb"), "CapEff:\t0000000000000400\nCapAmb:\t0000000000000400\n");
}

TEST(Process, AnOrdinaryUserHasNoCapabilities) {
  Bundle bundle;
  bundle.process()["user"] = {{"username", "bob"}};
  EXPECT_EQ(status_of(bundle, "CapPrm|CapEff|CapBnd|Uid|Groups"),
            "Uid:\t1000\t1000\t1000\t1000\nGroups:\t10 50 1001 \nCapPrm:\t0000000000000000\n"
            "CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n");
}

TEST(Process, GainsNoPrivilegesWhenToldSo) {
  Bundle bundle;
  EXPECT_EQ(status_of(bundle, "NoNewPrivs"), "NoNewPrivs:\t0\n");
  bundle.process()["noNewPrivileges"] = true;
  EXPECT_EQ(status_of(bundle, "NoNewPrivs"), "NoNewPrivs:\t1\n");
}

TEST(Process, HasLimitsAndScore) {
  Bundle bundle;
  bundle.process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 4}, {"hard", 1000}},
                                 {{"type", "RLIMIT_CORE"}, {"soft", -1}, {"hard", 18446744073709551615ull}}};
  bundle.process()["oomScoreAdj"] = 321;
  EXPECT_EQ(bundle.run_script("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj").out,
            "4\n1000\nunlimited\n321\n");
}

TEST(Process, SetsTheUmask) {
  Bundle bundle;
  EXPECT_EQ(bundle.run_script("umask").out, "0022\n");
  bundle.process()["user"]["umask"] = 077;
  EXPECT_EQ(bundle.run_script("umask").out, "0077\n");
}

TEST(Process, SetsNamespacedSysctlsOnly) {
  Bundle bundle;
  bundle.linux_section()["sysctl"] = {
      {"net.ipv4.ip_forward", "1"}, {"kernel.shmmax", "12345678"}, {"net/ipv4/ip_default_ttl", "77"}};
  EXPECT_EQ(bundle
                .run_script("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax "
                            "/proc/sys/net/ipv4/ip_default_ttl")
                .out,
            "1\n12345678\n77\n");
  for (const char* name : {"kernel.panic", "vm.swappiness", "kernel.hostname", "fs.file-max", "netx.y"}) {
    bundle.linux_section()["sysctl"] = {{name, "1"}};
    EXPECT_THROW(bundle.run(), Error) << name;
  }
  bundle.linux_section()["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  bundle.remove_namespace("network");
  EXPECT_THROW(bundle.run(), Error);
  for (const char* name : {"net.../../kernel/panic", "net/../kernel/panic"}) {
    Bundle climbing;
    climbing.linux_section()["sysctl"] = {{name, "1"}};
    EXPECT_THROW(climbing.run(), Error) << name;
  }
}

TEST(Process, SetsHomeFromPasswd) {
  Bundle bundle;
  EXPECT_EQ(bundle.run_script("echo $HOME").out, "/root\n");
  bundle.process()["user"] = {{"username", "bob:staff"}};
  EXPECT_EQ(bundle.run_script("echo $HOME $(id -u):$(id -g)").out, "/home/bob 1000:50\n");
  bundle.process()["env"].push_back("HOME=");
  EXPECT_EQ(bundle.run_script("echo $HOME").out, "/home/bob\n");
  bundle.process()["env"].push_back("HOME=/mine");
  EXPECT_EQ(bundle.run_script("echo $HOME").out, "/mine\n");
  bundle.process()["user"] = {{"username", "4242"}};
  bundle.process()["env"] = {"PATH=/bin"};
  EXPECT_EQ(bundle.run_script("echo $HOME").out, "/\n");
}

TEST(Process, OpensItsOwnStandardStreamsAgain) {
  Bundle bundle;
  bundle.process()["user"] = {{"username", "bob"}};
  EXPECT_EQ(bundle.run_script("echo hello > /dev/stdout").out, "hello\n");
}

TEST(Process, WorkingDirectoryCannotLeadOut) {
  // Left open on purpose, as a daemon's careless descriptor would be (CVE-2024-21626).
  const int leak = ::open("/", O_RDONLY | O_DIRECTORY);
  for (int fd = 3; fd <= leak; ++fd) {
    Bundle bundle;
    bundle.process()["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_THROW(bundle.run(), Error);
    bundle.process()["cwd"] = "/";
    bundle.arguments({"/proc/self/fd/" + std::to_string(fd) + "/bin/true"});
    EXPECT_THROW(bundle.run(), ProcessError);
  }
  ::close(leak);
}

struct Failure {
  const char* command;
  int exit_code;
  std::string message;
};

TEST(Process, FailsAsDockerDoes) {
  Bundle bundle;
  bundle.write_root("/bin/not-executable", "x");
  ::mkdir(bundle.root("/directory").c_str(), 0755);
  ::symlink("nowhere", bundle.root("/bin/dangling").c_str());
  const Failure cases[] = {
      {"foo", 127, "exec: \"foo\": executable file not found in $PATH"},
      {"", 127, "exec: \"\": executable file not found in $PATH"},
      {"not-executable", 127, "exec: \"not-executable\": executable file not found in $PATH"},
      {"dangling", 127, "exec: \"dangling\": executable file not found in $PATH"},
      {"/x", 127, "exec: \"/x\": stat /x: no such file or directory"},
      {"./foo", 127, "exec: \"./foo\": stat ./foo: no such file or directory"},
      {"/etc/passwd/x", 127, "exec: \"/etc/passwd/x\": stat /etc/passwd/x: not a directory"},
      {"/bin/not-executable", 126, "exec: \"/bin/not-executable\": permission denied"},
      {"/directory", 126, "exec: \"/directory\": is a directory: permission denied"},
  };
  for (const Failure& expected : cases) {
    bundle.arguments({expected.command});
    try {
      bundle.run();
      ADD_FAILURE() << expected.command;
    } catch (const ProcessError& error) {
      EXPECT_EQ(error.what(), expected.message);
      EXPECT_EQ(error.exit_code(), expected.exit_code) << expected.command;
      EXPECT_NE(error.error(), 0);
    }
  }
}

TEST(Process, ToldByItsOwnStderrWhatTheKernelRefuses) {
  Bundle bundle;
  bundle.write_root("/bin/garbage", "garbage", 0755);
  bundle.write_root("/bin/script", "#!/no/interpreter\n", 0755);
  bundle.arguments({"garbage"});
  Outcome outcome = bundle.run();
  EXPECT_EQ(outcome.err, "exec /bin/garbage: exec format error\n");
  EXPECT_EQ(outcome.exit_code, 255);
  bundle.arguments({"/bin/script"});
  outcome = bundle.run();
  EXPECT_EQ(outcome.err, "exec /bin/script: no such file or directory\n");
  EXPECT_EQ(outcome.exit_code, 255);
}

TEST(Process, SearchesWithTheRightsOfItsUser) {
  Bundle bundle;
  bundle.write_root("/bin/for-root", "#!/bin/sh\n", 0700);
  bundle.arguments({"/bin/for-root"});
  EXPECT_EQ(bundle.run().exit_code, 0);
  bundle.process()["user"] = {{"username", "bob"}};
  EXPECT_THROW(bundle.run(), ProcessError);
}

TEST(Process, EntersAWorkingDirectoryOnlyRootMay) {
  Bundle bundle;
  ::mkdir(bundle.root("/closed").c_str(), 0700);
  bundle.process()["cwd"] = "/closed";
  bundle.process()["user"] = {{"username", "bob"}};
  EXPECT_EQ(bundle.run_script("true").exit_code, 0);
}

TEST(Process, WorkingDirectoryThatIsAFile) {
  Bundle bundle;
  bundle.process()["cwd"] = "/etc/passwd";
  try {
    bundle.run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "Cannot mkdir: /etc/passwd is not a directory");
  }
}

/// A program that answers `number` with EPERM and allows the rest.
std::string filter_against(Bundle& bundle, int number) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const std::string path = bundle.beside("filter.bpf");
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(program), sizeof program);
  return path;
}

TEST(Process, RunsUnderItsSeccompFilter) {
  for (const bool no_new_privileges : {false, true}) {
    for (const char* user : {"root", "bob"}) {
      Bundle bundle;
      bundle.process()["noNewPrivileges"] = no_new_privileges;
      bundle.process()["user"] = {{"username", user}};
      LaunchOptions options;
      options.seccomp_filter = filter_against(bundle, SYS_mkdir);
      bundle.script("grep -E 'Seccomp:|CapPrm' /proc/self/status; mkdir /tmp/x");
      const Outcome outcome = bundle.run(options);
      EXPECT_EQ(outcome.out, std::string("CapPrm:\t") +
                                 (user == std::string("root") ? "00000000a80425fb" : "0000000000000000") +
                                 "\nSeccomp:\t2\n");
      EXPECT_NE(outcome.err.find("Operation not permitted"), std::string::npos) << outcome.err;
    }
  }
}

TEST(Process, RefusesAFileThatIsNoFilter) {
  Bundle bundle;
  LaunchOptions options;
  std::ofstream(bundle.beside("bad")) << "hello";
  options.seccomp_filter = bundle.beside("bad");
  EXPECT_THROW(bundle.run(options), Error);
  options.seccomp_filter = bundle.beside("absent");
  EXPECT_THROW(bundle.run(options), Error);
}

}  // namespace
}  // namespace gantry::test
