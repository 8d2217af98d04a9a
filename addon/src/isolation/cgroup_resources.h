#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gantry {

struct DeviceRule {
  bool allow = false;
  /// 'a' any, 'b' block, 'c' character.
  char type = 'a';
  /// No value stands for any.
  std::optional<uint32_t> major, minor;
  /// Letters of "rwm".
  std::string access = "rwm";
};

struct DeviceLimit {
  uint32_t major = 0, minor = 0;
  uint64_t value = 0;
};

/// `linux.resources` of the OCI spec, checked and typed. What is absent (or null) is left as it is.
struct CgroupResources {
  struct {
    std::optional<int64_t> limit, reservation, swap, swappiness;
    std::optional<bool> disable_oom_killer;
    bool check_before_update = false;
    bool any() const { return limit || reservation || swap || swappiness || disable_oom_killer; }
  } memory;
  struct {
    std::optional<int64_t> shares, quota, burst, period, realtime_runtime, realtime_period, idle;
    std::string cpus, mems;
    bool any_time() const { return shares || quota || burst || period || realtime_runtime || realtime_period || idle; }
    bool any_set() const { return !cpus.empty() || !mems.empty(); }
  } cpu;
  std::optional<int64_t> pids_limit;
  struct {
    std::optional<int64_t> weight;
    std::vector<DeviceLimit> weight_device, read_bps, write_bps, read_iops, write_iops;
    bool any_throttle() const {
      return !read_bps.empty() || !write_bps.empty() || !read_iops.empty() || !write_iops.empty();
    }
    bool any() const { return weight || !weight_device.empty() || any_throttle(); }
  } block_io;
  /// Page size ("2MB") and limit in bytes.
  std::vector<std::pair<std::string, uint64_t>> hugepages;
  /// Absent: devices are not controlled.
  std::optional<std::vector<DeviceRule>> devices;
  /// Files of the v2 hierarchy, verbatim.
  std::map<std::string, std::string> unified;
};

/// @throws Error that names the field
CgroupResources parse_cgroup_resources(const nlohmann::json& resources);

}  // namespace gantry
