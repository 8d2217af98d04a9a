#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "cgroup/cgroup_fixture.h"
#include "isolation/error.h"

namespace gantry {
namespace {

/// Counts as fast as it can in memory that the test sees too.
struct Counter {
  Counter()
      : value(static_cast<std::atomic<uint64_t>*>(
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Counter() { ::munmap(value, 4096); }
  int count() const {
    for (;;) {
      value->fetch_add(1);
      ::usleep(100);
    }
  }
  bool moves() const {
    const uint64_t before = value->load();
    for (int i = 0; i < 300 && value->load() == before; ++i) ::usleep(1000);
    return value->load() != before;
  }
  std::atomic<uint64_t>* value;
};

TEST_F(CgroupTest, IsCreatedWithItsParentAndRemoved) {
  const Cgroup cgroup = make();
  EXPECT_TRUE(directory(cgroup, "memory").exists());
  if (const CgroupHierarchy* unified = CgroupLayout::get().unified()) {
    EXPECT_TRUE(CgroupDirectory(*unified, cgroup.path()).exists());
  }
  cgroup.remove();
  for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies())
    EXPECT_FALSE(CgroupDirectory(hierarchy, cgroup.path()).exists()) << hierarchy.mount_point;
  cgroup.remove();
}

TEST_F(CgroupTest, ALimitForOneThatHasGoneMakesNothing) {
  Cgroup cgroup = make();
  cgroup.remove();
  for (const char* limits : {R"({"memory":{"limit":50000000}})", R"({"pids":{"limit":9}})", R"({"cpu":{"cpus":"0"}})"})
    EXPECT_THROW(cgroup.apply(nlohmann::json::parse(limits)), Error) << limits;
  for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies())
    EXPECT_FALSE(CgroupDirectory(hierarchy, cgroup.path()).exists()) << hierarchy.mount_point;
}

TEST_F(CgroupTest, ReplacesWhatACrashLeftBehind) {
  Cgroup cgroup = make();
  cgroup.apply(nlohmann::json{{"pids", {{"limit", 7}}}});
  Cgroup again(cgroup.path());
  again.create();
  EXPECT_EQ(value(again, "pids", "pids.max", "pids.max"), "max");
}

TEST_F(CgroupTest, RefusesOneThatIsInUseAndLeavesItAlone) {
  const Cgroup cgroup = make();
  const Inmate inmate(cgroup, sleep_forever);
  try {
    Cgroup(cgroup.path()).create();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), EEXIST);
  }
  EXPECT_EQ(cgroup.processes(), std::vector<pid_t>{inmate.pid()});
}

TEST_F(CgroupTest, FreezesAndThaws) {
  const Cgroup cgroup = make();
  const Counter counter;
  const Inmate inmate(cgroup, [&] { return counter.count(); });
  ASSERT_TRUE(counter.moves());
  cgroup.freeze();
  EXPECT_FALSE(counter.moves());
  cgroup.thaw();
  EXPECT_TRUE(counter.moves());
}

TEST_F(CgroupTest, KillsWhatIsFrozen) {
  const Cgroup cgroup = make();
  Inmate one(cgroup, sleep_forever), two(cgroup, sleep_forever);
  EXPECT_EQ(cgroup.processes().size(), 2u);
  cgroup.freeze();
  cgroup.kill();
  EXPECT_EQ(one.wait(), 128 + SIGKILL);
  EXPECT_EQ(two.wait(), 128 + SIGKILL);
  EXPECT_TRUE(cgroup.processes().empty());
  cgroup.remove();
}

TEST_F(CgroupTest, RemovesWhatAContainerMadeInside) {
  const Cgroup cgroup = make();
  for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies()) {
    const CgroupDirectory outer(hierarchy, cgroup.path());
    if (!outer.exists()) continue;
    ASSERT_TRUE(outer.child("init.scope").try_make().value_or(false));
    ASSERT_TRUE(outer.child("init.scope").child("deep").try_make().value_or(false));
  }
  cgroup.remove();
  EXPECT_FALSE(directory(cgroup, "memory").exists());
}

TEST_F(CgroupTest, FindsAndKillsProcessesOfChildren) {
  const Cgroup cgroup = make();
  Cgroup inner(cgroup.path() + "/inner");
  inner.create();
  Inmate inmate(inner, sleep_forever);
  EXPECT_EQ(cgroup.processes(), std::vector<pid_t>{inmate.pid()});
  cgroup.kill();
  EXPECT_EQ(inmate.wait(), 128 + SIGKILL);
}

TEST_F(CgroupTest, KillingOrRemovingNothingIsFine) {
  const Cgroup absent(parent_ + "/absent");
  absent.kill();
  absent.remove();
  EXPECT_TRUE(absent.processes().empty());
}

TEST_F(CgroupTest, TellsOfMemoryThatRanOut) {
  REQUIRE_CONTROLLER("memory");
  Cgroup cgroup = make();
  constexpr int64_t LIMIT = 16 << 20;
  nlohmann::json memory = {{"limit", LIMIT}};
  if (cgroup_host().swap_accounting) memory["swap"] = LIMIT;
  cgroup.apply(nlohmann::json{{"memory", memory}});
  const UniqueFd watch = cgroup.watch_oom();
  ASSERT_TRUE(watch);
  pollfd event = {watch.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&event, 1, 0), 0);
  EXPECT_EQ(cgroup.oom_kills(), 0u);

  Inmate inmate(cgroup, [] {
    std::vector<char> too_much(size_t{8} * LIMIT);
    std::memset(too_much.data(), 1, too_much.size());
    return too_much[1];
  });
  EXPECT_EQ(inmate.wait(), 128 + SIGKILL);
  EXPECT_EQ(::poll(&event, 1, 2000), 1);
  EXPECT_GE(cgroup.oom_kills(), 1u);
}

}  // namespace
}  // namespace gantry
