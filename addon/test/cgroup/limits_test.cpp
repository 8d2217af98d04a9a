#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cgroup/cgroup_fixture.h"
#include "isolation/cgroup_limits.h"
#include "isolation/error.h"

namespace gantry {
namespace {

using nlohmann::json;
constexpr int64_t MIB = 1 << 20;

json memory(json fields) { return {{"memory", std::move(fields)}}; }
json cpu(json fields) { return {{"cpu", std::move(fields)}}; }

/// The text of the error that applying gives; empty when there is none.
std::string refusal(Cgroup& cgroup, const json& resources) {
  try {
    cgroup.apply(resources);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(CgroupTest, LimitsMemory) {
  REQUIRE_CONTROLLER("memory");
  Cgroup cgroup = make();
  cgroup.apply(memory({{"limit", 64 * MIB}, {"reservation", 32 * MIB}}));
  EXPECT_EQ(value(cgroup, "memory", "memory.limit_in_bytes", "memory.max"), std::to_string(64 * MIB));
  EXPECT_EQ(value(cgroup, "memory", "memory.soft_limit_in_bytes", "memory.low"), std::to_string(32 * MIB));
  EXPECT_EQ(cgroup.stats().memory.limit, static_cast<uint64_t>(64 * MIB));
}

TEST_F(CgroupTest, ChangesMemoryAndSwapInBothDirections) {
  REQUIRE_CONTROLLER("memory");
  if (!cgroup_host().swap_accounting) GTEST_SKIP() << "no swap accounting";
  Cgroup cgroup = make();
  for (const int64_t limit : {64 * MIB, 256 * MIB, 32 * MIB}) {
    cgroup.apply(memory({{"limit", limit}, {"swap", 2 * limit}}));
    EXPECT_EQ(value(cgroup, "memory", "memory.limit_in_bytes", "memory.max"), std::to_string(limit));
    EXPECT_EQ(value(cgroup, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
              std::to_string(is_v2("memory") ? limit : 2 * limit));
  }
  cgroup.apply(memory({{"limit", -1}}));
  const std::string unlimited = value(cgroup, "memory", "memory.limit_in_bytes", "memory.max");
  EXPECT_TRUE(unlimited == "max" || unlimited.size() >= 19) << unlimited;
  EXPECT_NE(refusal(cgroup, memory({{"limit", 64 * MIB}, {"swap", 32 * MIB}})).find("memory.swap"), std::string::npos);
}

TEST_F(CgroupTest, LimitsCpuTime) {
  REQUIRE_CONTROLLER("cpu");
  Cgroup cgroup = make();
  cgroup.apply(cpu({{"shares", 1024}, {"quota", 50000}, {"period", 100000}}));
  EXPECT_EQ(value(cgroup, "cpu", "cpu.shares", "cpu.weight"), is_v2("cpu") ? "100" : "1024");
  EXPECT_EQ(value(cgroup, "cpu", "cpu.cfs_quota_us", "cpu.max"), is_v2("cpu") ? "50000 100000" : "50000");
  // One half at a time, as an update does.
  cgroup.apply(cpu({{"quota", 20000}}));
  cgroup.apply(cpu({{"period", 50000}}));
  EXPECT_EQ(value(cgroup, "cpu", "cpu.cfs_quota_us", "cpu.max"), is_v2("cpu") ? "20000 50000" : "20000");
  cgroup.apply(cpu({{"quota", -1}}));
  EXPECT_EQ(value(cgroup, "cpu", "cpu.cfs_quota_us", "cpu.max"), is_v2("cpu") ? "max 50000" : "-1");
  EXPECT_NE(refusal(cgroup, cpu({{"quota", 1}})).find(is_v2("cpu") ? "cpu.max" : "cpu.cfs_quota_us"),
            std::string::npos);
}

TEST_F(CgroupTest, GivesRunningProcessesACpuset) {
  REQUIRE_CONTROLLER("cpuset");
  Cgroup cgroup = make();
  const Inmate inmate(cgroup, sleep_forever);
  cgroup.apply(cpu({{"cpus", "0"}, {"mems", "0"}}));
  EXPECT_EQ(value(cgroup, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
  EXPECT_EQ(directory(cgroup, "cpuset").own_processes(), std::vector<pid_t>{inmate.pid()});
  EXPECT_NE(refusal(cgroup, cpu({{"cpus", "0-99999"}})).find("cpuset.cpus"), std::string::npos);
}

TEST_F(CgroupTest, LimitsProcesses) {
  REQUIRE_CONTROLLER("pids");
  Cgroup cgroup = make();
  cgroup.apply(json{{"pids", {{"limit", 1}}}});
  EXPECT_EQ(cgroup.stats().pids.limit, 1u);
  Inmate inmate(cgroup, [] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    return child < 0 && errno == EAGAIN ? 42 : 1;
  });
  EXPECT_EQ(inmate.wait(), 42);
  for (const int none : {0, -1}) {
    cgroup.apply(json{{"pids", {{"limit", 5}}}});
    cgroup.apply(json{{"pids", {{"limit", none}}}});
    EXPECT_EQ(value(cgroup, "pids", "pids.max", "pids.max"), "max");
  }
}

TEST_F(CgroupTest, NamesTheFileThatRefusesABlockDevice) {
  Cgroup cgroup = make();
  const json limit = {{"major", 4000}, {"minor", 4000}, {"rate", 1024}};
  const std::string text = refusal(cgroup, json{{"blockIO", {{"throttleReadBpsDevice", json::array({limit})}}}});
  const CgroupLayout& layout = CgroupLayout::get();
  if (layout.find("blkio") == nullptr && layout.find("io") == nullptr) {
    EXPECT_NE(text.find("no blkio controller"), std::string::npos) << text;
  } else {
    EXPECT_NE(text.find("4000:4000"), std::string::npos) << text;
  }
}

TEST_F(CgroupTest, RefusesLimitsOfControllersThatAreNotThere) {
  Cgroup cgroup = make();
  const std::string text = refusal(cgroup, json{{"unified", {{"nonsense.max", "1"}}}});
  EXPECT_NE(text.find("nonsense.max"), std::string::npos) << text;
  EXPECT_NE(refusal(cgroup, json{{"hugepageLimits", json::array({{{"pageSize", "3MB"}, {"limit", 1}}})}}).find("3MB"),
            std::string::npos);
}

TEST_F(CgroupTest, InheritsCpusetsFromTheParent) {
  const CgroupHierarchy* cpuset = CgroupLayout::get().find("cpuset");
  if (cpuset == nullptr || cpuset->unified) GTEST_SKIP() << "cpuset is not on v1";
  const CgroupDirectory outer(*cpuset, parent_), inner = outer.child("inner");
  ASSERT_TRUE(outer.try_make().value_or(false));
  ASSERT_TRUE(inner.try_make().value_or(false));
  EXPECT_EQ(inner.read("cpuset.cpus"), "\n");
  inherit_cpuset_v1(inner);
  EXPECT_EQ(inner.read("cpuset.cpus"), CgroupDirectory(*cpuset, "/").read("cpuset.cpus"));
  EXPECT_EQ(inner.read("cpuset.mems"), CgroupDirectory(*cpuset, "/").read("cpuset.mems"));
}

}  // namespace
}  // namespace gantry
