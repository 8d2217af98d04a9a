#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "isolation/error.h"
#include "isolation/seccomp_compile.h"
#include "isolation/seccomp_load.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

constexpr long YOUNGER_THAN_ANY = 100'000;

class Seccomp : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory_), nullptr); }
  void TearDown() override {
    ::unlink(filter().c_str());
    EXPECT_EQ(::rmdir(directory_), 0) << "something else was left in " << directory_;
  }
  std::string filter() const { return std::string(directory_) + "/filter.bpf"; }

  void compile(const std::string& profile, const std::vector<std::string>& capabilities = {}) {
    compile_seccomp(profile, capabilities, filter());
  }
  /// The errno of a call under the filter; 0 when it succeeds, 128 + the signal when it kills.
  int under_filter(const std::function<long()>& call) const {
    const pid_t child = check(::fork(), "fork");
    if (child == 0) {
      SeccompFilter program = read_seccomp_filter(filter());
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      load_seccomp_filter(program);
      ::syscall(SYS_exit_group, call() < 0 ? errno : 0);
    }
    int status = 0;
    check(::waitpid(child, &status, 0), "wait");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  static std::string default_profile() {
    std::ifstream file(std::string(GANTRY_REPOSITORY) + "/daemon/runtime/seccomp-default.json");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

 private:
  char directory_[32] = "/tmp/gantry-seccomp-XXXXXX";
};

long mount_nothing() { return ::syscall(SYS_mount, "none", "/nowhere/at/all", "tmpfs", 0, nullptr); }

TEST_F(Seccomp, DefaultProfileLetsOrdinaryCallsThrough) {
  compile(default_profile());
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_getpid); }), 0);
  EXPECT_EQ(under_filter([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), 0);
  EXPECT_EQ(under_filter([] { return ::personality(0xffffffff); }), 0);
  EXPECT_EQ(under_filter([] { return ::open("/dev/null", O_RDONLY); }), 0);
  EXPECT_EQ(under_filter([] {
              const pid_t child = ::fork();
              if (child == 0) ::_exit(0);
              return ::waitpid(child, nullptr, 0);
            }),
            0);
}

TEST_F(Seccomp, DefaultProfileRefusesDangerousCalls) {
  compile(default_profile());
  EXPECT_EQ(under_filter(mount_nothing), EPERM);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */); }), EPERM);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_clone, 0x10000000 /* CLONE_NEWUSER */, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_kexec_load, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }), EPERM);
  EXPECT_EQ(under_filter([] { return ::socket(AF_VSOCK, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(under_filter([] { return ::personality(ADDR_NO_RANDOMIZE); }), EPERM);
}

TEST_F(Seccomp, DefaultProfileFollowsTheCapabilities) {
  compile(default_profile(), {"CAP_SYS_ADMIN"});
  EXPECT_EQ(under_filter(mount_nothing), ENOENT);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_kexec_load, 0, 0, 0, 0); }), EPERM);
}

TEST_F(Seccomp, CallsYoungerThanTheProfileDoNotExist) {
  compile(default_profile());
  EXPECT_EQ(under_filter([] { return ::syscall(YOUNGER_THAN_ANY); }), ENOSYS);
  // C libraries fall back to clone on this answer only.
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
}

#ifdef __x86_64__
TEST_F(Seccomp, CallsOfX32AreNoWayAroundTheFilter) {
  constexpr long X32_BIT = 0x40000000;
  compile(default_profile());
  const bool spoken = ::syscall(X32_BIT | SYS_getpid) >= 0;
  EXPECT_EQ(under_filter([] { return ::syscall(X32_BIT | SYS_getpid); }), spoken ? 0 : ENOSYS);
  EXPECT_EQ(under_filter([] { return ::syscall(X32_BIT | SYS_mount, "none", "/nowhere", "tmpfs", 0, nullptr); }),
            spoken ? EPERM : ENOSYS);
}
#endif

TEST_F(Seccomp, TakesTheFormOfTheOciSpec) {
  compile(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":[
    {"names":["mkdirat","mkdir","no_such_call"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
    {"names":["getppid"],"action":"SCMP_ACT_KILL_PROCESS"}]})");
  EXPECT_EQ(under_filter([] { return ::mkdir("/tmp", 0700); }), EACCES);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_getppid); }), 128 + SIGSYS);
  EXPECT_EQ(under_filter([] { return ::syscall(SYS_getpid); }), 0);
}

TEST_F(Seccomp, TakesSeveralConditionsOnOneArgumentAsAlternatives) {
  compile(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"socket","action":"SCMP_ACT_ERRNO","errnoRet":95,
    "args":[{"index":0,"value":2,"op":"SCMP_CMP_EQ"},{"index":0,"value":10,"op":"SCMP_CMP_EQ"}]}]})");
  EXPECT_EQ(under_filter([] { return ::socket(AF_INET, SOCK_STREAM, 0); }), EOPNOTSUPP);
  EXPECT_EQ(under_filter([] { return ::socket(AF_INET6, SOCK_STREAM, 0); }), EOPNOTSUPP);
  EXPECT_EQ(under_filter([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), 0);
}

TEST_F(Seccomp, ChecksKernelAndMachine) {
  const auto denied_if = [](const std::string& condition) {
    return R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"getppid","action":"SCMP_ACT_ERRNO",)" + condition +
           "}]}";
  };
  const auto get_parent = [] { return ::syscall(SYS_getppid); };
  compile(denied_if(R"("includes":{"minKernel":"4.8"})"));
  EXPECT_EQ(under_filter(get_parent), EPERM);
  compile(denied_if(R"("includes":{"minKernel":"999.0"})"));
  EXPECT_EQ(under_filter(get_parent), 0);
  compile(denied_if(R"("includes":{"arches":["s390x"]})"));
  EXPECT_EQ(under_filter(get_parent), 0);
  compile(denied_if(R"("excludes":{"arches":["amd64","arm64"]})"));
  EXPECT_EQ(under_filter(get_parent), 0);
}

TEST_F(Seccomp, NamesTheFieldThatIsWrongAndWritesNothing) {
  const auto refusal = [this](const std::string& profile) -> std::string {
    try {
      compile(profile);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::pair<const char*, const char*> cases[] = {
      {"{", "not valid JSON"},
      {"[]", "not a JSON object"},
      {"{}", "defaultAction"},
      {R"({"defaultAction":"SCMP_ACT_NOTIFY"})", "SCMP_ACT_NOTIFY"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]})", "syscalls[0].names"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"]}]})", "syscalls[0].action"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[1],"action":"SCMP_ACT_LOG"}]})", "names"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":6}]}]})",
       "args.index"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":1,"op":"x"}]}]})",
       "args.op"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["x86"]})", "architectures"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG"]})", "SECCOMP_FILTER_FLAG_LOG"},
      {R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/x"})", "listenerPath"},
  };
  for (const auto& [profile, expected] : cases)
    EXPECT_NE(refusal(profile).find(expected), std::string::npos) << profile << " gave: " << refusal(profile);
  EXPECT_NE(::access(filter().c_str(), F_OK), 0);
}

}  // namespace
}  // namespace gantry
