#include "node/shim_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "isolation/error.h"

// This program is its own shim: started under that name it tells how it was started, and ends.
namespace {

using nlohmann::json;

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<size_t>(size));
}

json open_descriptors() {
  json result = json::object();
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir("/proc/self/fd"), ::closedir);
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || std::atoi(name.c_str()) == ::dirfd(entries.get())) continue;
    result[name] = link_target("/proc/self/fd/" + name);
  }
  return result;
}

int report(int count, char** arguments) {
  json text = {{"descriptors", open_descriptors()},
               {"session", ::getsid(0) == ::getpid()},
               {"directory", link_target("/proc/self/cwd")},
               {"executable", link_target("/proc/self/exe")}};
  for (int i = 0; i < count; ++i) text["arguments"].push_back(arguments[i]);
  for (char** each = environ; *each != nullptr; ++each) text["environment"].push_back(*each);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("Sig", 0) == 0) text["signals"][line.substr(0, 6)] = line.substr(line.find('\t') + 1);
  const std::string message = text.dump();
  std::fprintf(stderr, "this goes to the log\n");
  return ::write(3, message.data(), message.size()) < 0 ? 1 : 0;
}

}  // namespace

namespace gantry {
namespace {

class ShimProcess : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory_), nullptr); }
  void TearDown() override {
    ::unlink(log().c_str());
    ::rmdir(directory_);
  }
  std::string log() const { return std::string(directory_) + "/shim.log"; }
  ShimOptions options(const UniqueFd& executable) const {
    return {executable.get(), "/some/bundle", log(), -1, -1, {}};
  }

  /// What a shim has to say, until it closes its end.
  static json answer(const SpawnedShim& shim) {
    std::string text;
    char buffer[4096];
    for (;;) {
      pollfd ready = {shim.control.get(), POLLIN, 0};
      if (::poll(&ready, 1, 5000) != 1) throw Error("wait for a shim", ETIMEDOUT);
      const ssize_t got = check(::read(shim.control.get(), buffer, sizeof buffer), "read");
      if (got == 0) return json::parse(text);
      text.append(buffer, static_cast<size_t>(got));
    }
  }
  static void reap_in_the_end(pid_t pid) {
    for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) {
      reap_child(pid);
      ::usleep(2000);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
  }

  const UniqueFd self_ = copy_to_sealed_memory("/proc/self/exe");

 private:
  char directory_[32] = "/tmp/gantry-spawn-XXXXXX";
};

TEST_F(ShimProcess, HasWhatTheProtocolNamesAndNothingElse) {
  // Descriptors of a careless daemon: inheritable, also at the numbers that the shim's will have.
  const UniqueFd careless(::open("/etc/passwd", O_RDONLY));
  const UniqueFd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  ShimOptions request = options(self_);
  request.network_namespace = space.get();
  const UniqueFd user(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  request.user_namespace = user.get();
  const SpawnedShim shim = spawn_shim(request);
  const json told = answer(shim);
  reap_in_the_end(shim.pid);

  EXPECT_EQ(told["descriptors"].size(), 6u) << told["descriptors"];
  EXPECT_EQ(told["descriptors"]["5"], link_target("/proc/self/ns/user"));
  EXPECT_EQ(told["descriptors"]["0"], "/dev/null");
  EXPECT_EQ(told["descriptors"]["1"], "/dev/null");
  EXPECT_EQ(told["descriptors"]["2"], log());
  EXPECT_EQ(told["descriptors"]["3"].get<std::string>().rfind("socket:", 0), 0u);
  EXPECT_EQ(told["descriptors"]["4"], link_target("/proc/self/ns/net"));
  EXPECT_EQ(told["arguments"], json({"gantry-shim", "--bundle", "/some/bundle"}));
  EXPECT_EQ(told["environment"].size(), 1u) << told["environment"];
  EXPECT_EQ(told["session"], true);
  EXPECT_EQ(told["directory"], "/");
  EXPECT_NE(told["executable"].get<std::string>().find("memfd:gantry-shim"), std::string::npos);
}

TEST_F(ShimProcess, HasTheSocketsOfPortsBehindTheNamespace) {
  const UniqueFd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  ShimOptions request = options(self_);
  request.network_namespace = space.get();
  // More than there is room for below the numbers that descriptors are moved to.
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  request.sockets.assign(40, file.get());
  request.sockets[1] = -1;
  const SpawnedShim shim = spawn_shim(request);
  const json told = answer(shim);
  reap_in_the_end(shim.pid);
  EXPECT_EQ(told["descriptors"].size(), 5u + 39u) << told["descriptors"];
  EXPECT_FALSE(told["descriptors"].contains("5")) << "there is no user namespace";
  EXPECT_EQ(told["descriptors"]["6"], "/etc/passwd");
  EXPECT_FALSE(told["descriptors"].contains("7"));
  EXPECT_EQ(told["descriptors"]["45"], "/etc/passwd");
  EXPECT_EQ(told["arguments"], json({"gantry-shim", "--bundle", "/some/bundle", "--ports", "40"}));
}

TEST_F(ShimProcess, HasNoFourthDescriptorWithoutANetworkNamespace) {
  const SpawnedShim shim = spawn_shim(options(self_));
  EXPECT_EQ(answer(shim)["descriptors"].size(), 4u);
  reap_in_the_end(shim.pid);
}

TEST_F(ShimProcess, StartsWithCleanSignalsAndLeavesTheParentsAlone) {
  sigset_t blocked, before, after;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGPIPE, SIG_IGN);
  const SpawnedShim shim = spawn_shim(options(self_));
  const json told = answer(shim);
  reap_in_the_end(shim.pid);
  for (const char* name : {"SigBlk", "SigIgn"}) EXPECT_EQ(told["signals"][name], "0000000000000000") << name;

  struct sigaction pipe = {};
  ::sigaction(SIGPIPE, nullptr, &pipe);
  EXPECT_EQ(pipe.sa_handler, SIG_IGN);
  ::pthread_sigmask(SIG_SETMASK, &before, &after);
  EXPECT_EQ(::sigismember(&after, SIGUSR1), 1);
  EXPECT_EQ(::sigismember(&after, SIGTERM), 0);
  ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(ShimProcess, AppendsToItsLog) {
  std::ofstream(log()) << "before\n";
  const SpawnedShim shim = spawn_shim(options(self_));
  answer(shim);
  reap_in_the_end(shim.pid);
  std::ostringstream text;
  text << std::ifstream(log()).rdbuf();
  EXPECT_EQ(text.str(), "before\nthis goes to the log\n");
}

TEST_F(ShimProcess, ControlConnectionDoesNotBlockAndIsNotInherited) {
  const SpawnedShim shim = spawn_shim(options(self_));
  EXPECT_NE(::fcntl(shim.control.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(shim.control.get(), F_GETFD) & FD_CLOEXEC, 0);
  answer(shim);
  reap_in_the_end(shim.pid);
}

TEST_F(ShimProcess, FailsWhereTheProgramCannotRun) {
  const UniqueFd text = copy_to_sealed_memory("/etc/passwd");
  try {
    spawn_shim(options(text));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), ENOEXEC);
  }
}

TEST_F(ShimProcess, RunsFromMemoryThatNobodyCanChange) {
  const UniqueFd writable(::open(("/proc/self/fd/" + std::to_string(self_.get())).c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::write(writable.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(writable.get(), 0), -1);
  EXPECT_EQ(::fcntl(self_.get(), F_ADD_SEALS, 0), -1);
}

}  // namespace
}  // namespace gantry

int main(int count, char** arguments) {
  if (std::string(arguments[0]) == "gantry-shim") return report(count, arguments);
  ::testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
