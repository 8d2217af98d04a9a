#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cgroup/cgroup_fixture.h"
#include "isolation/cgroup_device_filter.h"
#include "isolation/error.h"

namespace gantry {
namespace {

DeviceRule rule(bool allow, char type = 'a', std::optional<uint32_t> major = std::nullopt,
                std::optional<uint32_t> minor = std::nullopt, const char* access = "rwm") {
  DeviceRule result;
  result.allow = allow;
  result.type = type;
  result.major = major;
  result.minor = minor;
  result.access = access;
  return result;
}

constexpr uint32_t MEMORY = 1, KMSG = 11;

TEST(DeviceRules, AddThoseOfTheDevicesThatEveryContainerHas) {
  const auto rules = effective_device_rules({rule(false)});
  EXPECT_FALSE(rules.front().allow);
  EXPECT_TRUE(std::any_of(rules.begin(), rules.end(), [](const DeviceRule& each) {
    return each.allow && each.major == MEMORY && each.minor == 3;
  }));
}

TEST(DeviceRules, DropWhatALaterOneForAllMakesVoid) {
  const auto rules = effective_device_rules({rule(true, 'c', 5, 6), rule(false)});
  EXPECT_EQ(rules.front().type, 'a');
  EXPECT_FALSE(allows_everything(rules));
  EXPECT_TRUE(allows_everything(effective_device_rules({rule(false), rule(true)})));
}

enum Outcome { NULL_WORKS = 1, KMSG_READS = 2, KMSG_WRITES = 4, NODES_CAN_BE_MADE = 8 };

int try_devices() {
  int outcome = 0;
  if (UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))) outcome |= NULL_WORKS;
  if (UniqueFd(::open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK))) outcome |= KMSG_READS;
  if (UniqueFd(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK))) outcome |= KMSG_WRITES;
  const std::string node = "/dev/shm/gantry-test-node-" + std::to_string(::getpid());
  if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(MEMORY, KMSG)) == 0) outcome |= NODES_CAN_BE_MADE;
  ::unlink(node.c_str());
  return outcome;
}

class DeviceFilter : public CgroupTest {
 protected:
  /// What works after the rules are applied: the way of this host's version, and that of v2 wherever it is mounted.
  void expect(const std::vector<DeviceRule>& rules, int outcome) {
    const CgroupHierarchy* unified = CgroupLayout::get().unified();
    if (unified != nullptr) {
      filter_devices_v2(CgroupDirectory(*unified, unified_.path()), effective_device_rules(rules));
      EXPECT_EQ(Inmate(unified_, try_devices).wait(), outcome) << "v2";
    }
    if (CgroupLayout::get().find("devices") != nullptr) {
      filter_devices_v1(directory(legacy_, "devices"), effective_device_rules(rules));
      EXPECT_EQ(Inmate(legacy_, try_devices).wait(), outcome) << "v1";
    }
  }

  void SetUp() override {
    CgroupTest::SetUp();
    if (::access("/dev/kmsg", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/kmsg here";
    unified_ = make("unified");
    legacy_ = make("legacy");
  }

  Cgroup unified_{"/"}, legacy_{"/"};
};

TEST_F(DeviceFilter, DeniesAllButTheProvidedDevices) { expect({rule(false)}, NULL_WORKS | NODES_CAN_BE_MADE); }

TEST_F(DeviceFilter, AllowsOneAccessOfOneDevice) {
  expect({rule(false), rule(true, 'c', MEMORY, KMSG, "r")}, NULL_WORKS | NODES_CAN_BE_MADE | KMSG_READS);
}

TEST_F(DeviceFilter, AllowsAWholeMajor) {
  expect({rule(false), rule(true, 'c', MEMORY)}, NULL_WORKS | NODES_CAN_BE_MADE | KMSG_READS | KMSG_WRITES);
}

TEST_F(DeviceFilter, TellsBlockFromCharacterDevices) {
  expect({rule(false), rule(true, 'b', MEMORY, KMSG)}, NULL_WORKS | NODES_CAN_BE_MADE);
}

TEST_F(DeviceFilter, CanBeLoosenedAndTightenedAgain) {
  expect({rule(false)}, NULL_WORKS | NODES_CAN_BE_MADE);
  expect({rule(true)}, NULL_WORKS | NODES_CAN_BE_MADE | KMSG_READS | KMSG_WRITES);
  expect({rule(false), rule(true, 'c', MEMORY, KMSG, "w")}, NULL_WORKS | NODES_CAN_BE_MADE | KMSG_WRITES);
}

TEST_F(DeviceFilter, IsAppliedFromTheSpec) {
  unified_.apply(nlohmann::json::parse(R"({"devices":[{"allow":false,"access":"rwm"}]})"));
  EXPECT_EQ(Inmate(unified_, try_devices).wait(), NULL_WORKS | NODES_CAN_BE_MADE);
}

}  // namespace
}  // namespace gantry
