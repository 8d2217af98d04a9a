#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "isolation/cgroup_resources.h"
#include "isolation/error.h"

namespace gantry {
namespace {

CgroupResources parse(const char* text) { return parse_cgroup_resources(nlohmann::json::parse(text)); }

std::string refusal(const char* text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.operation();
  }
  return "";
}

TEST(CgroupResources, LeavesOutWhatIsNotThere) {
  for (const char* text : {"null", "{}", R"({"memory":{},"cpu":{},"pids":{},"devices":null})"}) {
    const CgroupResources resources = parse(text);
    EXPECT_FALSE(resources.memory.any());
    EXPECT_FALSE(resources.cpu.any_time() || resources.cpu.any_set());
    EXPECT_FALSE(resources.pids_limit || resources.block_io.any() || resources.devices);
  }
}

TEST(CgroupResources, TakesZeroForNoLimit) {
  const CgroupResources resources = parse(R"({"memory":{"limit":0,"swap":0},"cpu":{"shares":0,"quota":0}})");
  EXPECT_FALSE(resources.memory.any());
  EXPECT_FALSE(resources.cpu.any_time());
}

TEST(CgroupResources, ReadsDevices) {
  const CgroupResources resources = parse(
      R"({"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":-1,"access":"r"}]})");
  ASSERT_EQ(resources.devices->size(), 2u);
  EXPECT_EQ(resources.devices->at(0).type, 'a');
  EXPECT_EQ(resources.devices->at(1).type, 'c');
  EXPECT_EQ(resources.devices->at(1).major, 1u);
  EXPECT_FALSE(resources.devices->at(1).minor);
  EXPECT_EQ(resources.devices->at(1).access, "r");
}

TEST(CgroupResources, NamesTheFieldItRefuses) {
  EXPECT_EQ(refusal("[]"), "linux.resources");
  EXPECT_EQ(refusal(R"({"memory":5})"), "linux.resources.memory");
  EXPECT_EQ(refusal(R"({"memory":{"limit":"1g"}})"), "linux.resources.memory.limit");
  EXPECT_EQ(refusal(R"({"memory":{"limit":18446744073709551615}})"), "linux.resources.memory.limit");
  EXPECT_EQ(refusal(R"({"cpu":{"shares":1.5}})"), "linux.resources.cpu.shares");
  EXPECT_EQ(refusal(R"({"blockIO":{"weight":5}})"), "linux.resources.blockIO.weight");
  EXPECT_EQ(refusal(R"({"blockIO":{"leafWeight":500}})"), "linux.resources.blockIO.leafWeight");
  EXPECT_EQ(refusal(R"({"blockIO":{"throttleReadBpsDevice":[{"major":8,"rate":1}]}})"),
            "linux.resources.blockIO.throttleReadBpsDevice.minor");
  EXPECT_EQ(refusal(R"({"devices":[{"type":"x"}]})"), "linux.resources.devices.type");
  EXPECT_EQ(refusal(R"({"devices":[{"access":"rx"}]})"), "linux.resources.devices.access");
  EXPECT_EQ(refusal(R"({"hugepageLimits":[{"pageSize":"../x","limit":1}]})"),
            "linux.resources.hugepageLimits.pageSize");
  EXPECT_EQ(refusal(R"({"unified":{"../cgroup.procs":"1"}})"), "linux.resources.unified.../cgroup.procs");
  EXPECT_EQ(refusal(R"({"unified":{"cgroup.procs":"1"}})"), "linux.resources.unified.cgroup.procs");
  EXPECT_EQ(refusal(R"({"rdma":{"mlx5_1":{}}})"), "linux.resources.rdma");
}

}  // namespace
}  // namespace gantry
