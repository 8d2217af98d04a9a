#include "node/shim_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "isolation/error.h"
#include "shim/assignment.h"

// This program is its own shim: started under that name it tells how it was started and what it was assigned, and ends.
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
  gantry::shim::reserve_places(3);
  auto assignment = gantry::shim::receive_assignment(3);
  if (!assignment) return 0;
  gantry::shim::take_places(*assignment);
  json text = {{"descriptors", open_descriptors()},
               {"session", ::getsid(0) == ::getpid()},
               {"directory", link_target("/proc/self/cwd")},
               {"executable", link_target("/proc/self/exe")},
               {"bundle", assignment->bundle}};
  for (const gantry::UniqueFd& each : assignment->sockets)
    text["sockets"].push_back(each ? link_target("/proc/self/fd/" + std::to_string(each.get())) : "");
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
  /// One that has a log and no more.
  shim::AssignmentSource assignment() {
    log_.reset(::open(log().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    return {"/some/bundle", log_.get()};
  }

  /// What a shim has to say about its assignment, until it closes its end.
  static json answer(const SpawnedShim& shim, const shim::AssignmentSource& source) {
    shim::send_assignment(shim.control.get(), source);
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
  UniqueFd log_;
  char directory_[32] = "/tmp/gantry-spawn-XXXXXX";
};

TEST_F(ShimProcess, HasWhatTheProtocolNamesAndNothingElse) {
  // Descriptors of a careless daemon: inheritable, also at the numbers that the shim's will have.
  const UniqueFd careless(::open("/etc/passwd", O_RDONLY));
  const UniqueFd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  shim::AssignmentSource request = assignment();
  request.network_namespace = space.get();
  const UniqueFd user(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  request.user_namespace = user.get();
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  const json told = answer(shim, request);
  reap_in_the_end(shim.pid);

  EXPECT_EQ(told["descriptors"].size(), 6u) << told["descriptors"];
  EXPECT_EQ(told["descriptors"]["5"], link_target("/proc/self/ns/user"));
  EXPECT_EQ(told["descriptors"]["0"], "/dev/null");
  EXPECT_EQ(told["descriptors"]["1"], "/dev/null");
  EXPECT_EQ(told["descriptors"]["2"], log());
  EXPECT_EQ(told["descriptors"]["3"].get<std::string>().rfind("socket:", 0), 0u);
  EXPECT_EQ(told["descriptors"]["4"], link_target("/proc/self/ns/net"));
  EXPECT_EQ(told["arguments"], json({"gantry-shim", "--spare              "}));
  EXPECT_EQ(told["bundle"], "/some/bundle");
  EXPECT_EQ(told["environment"].size(), 1u) << told["environment"];
  EXPECT_EQ(told["session"], true);
  EXPECT_EQ(told["directory"], "/");
  EXPECT_NE(told["executable"].get<std::string>().find("memfd:gantry-shim"), std::string::npos);
}

TEST_F(ShimProcess, HasTheSocketsOfPortsInTheirOrder) {
  const UniqueFd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  shim::AssignmentSource request = assignment();
  request.network_namespace = space.get();
  // More than the kernel takes with one message.
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  request.sockets.assign(400, file.get());
  request.sockets[1] = -1;
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  const json told = answer(shim, request);
  reap_in_the_end(shim.pid);
  EXPECT_EQ(told["descriptors"].size(), 5u + 399u) << told["descriptors"];
  EXPECT_FALSE(told["descriptors"].contains("5")) << "there is no user namespace";
  ASSERT_EQ(told["sockets"].size(), 400u);
  for (size_t index = 0; index < 400; ++index) EXPECT_EQ(told["sockets"][index], index == 1 ? "" : "/etc/passwd");
}

TEST_F(ShimProcess, EndsWithoutAnAssignment) {
  SpawnedShim shim = spawn_shim(self_.get(), 12);
  shim.control.reset();
  int status = -1;
  EXPECT_EQ(::waitpid(shim.pid, &status, 0), shim.pid);
  EXPECT_EQ(status, 0);
}

TEST_F(ShimProcess, RefusesAnAssignmentOnceItHasEnded) {
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  ::kill(shim.pid, SIGKILL);
  ::waitpid(shim.pid, nullptr, 0);
  try {
    shim::send_assignment(shim.control.get(), assignment());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), EPIPE);
  }
}

TEST_F(ShimProcess, HasNoFourthDescriptorWithoutANetworkNamespace) {
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  EXPECT_EQ(answer(shim, assignment())["descriptors"].size(), 4u);
  reap_in_the_end(shim.pid);
}

TEST_F(ShimProcess, StartsWithCleanSignalsAndLeavesTheParentsAlone) {
  sigset_t blocked, before, after;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGPIPE, SIG_IGN);
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  const json told = answer(shim, assignment());
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
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  answer(shim, assignment());
  reap_in_the_end(shim.pid);
  std::ostringstream text;
  text << std::ifstream(log()).rdbuf();
  EXPECT_EQ(text.str(), "before\nthis goes to the log\n");
}

TEST_F(ShimProcess, ControlConnectionDoesNotBlockAndIsNotInherited) {
  const SpawnedShim shim = spawn_shim(self_.get(), 12);
  EXPECT_NE(::fcntl(shim.control.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(shim.control.get(), F_GETFD) & FD_CLOEXEC, 0);
  answer(shim, assignment());
  reap_in_the_end(shim.pid);
}

TEST_F(ShimProcess, FailsWhereTheProgramCannotRun) {
  const UniqueFd text = copy_to_sealed_memory("/etc/passwd");
  try {
    spawn_shim(text.get(), 12);
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
