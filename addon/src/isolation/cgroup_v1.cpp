// Limits on cgroup v1, controller by controller.
#include "isolation/cgroup_convert.h"
#include "isolation/cgroup_limits.h"
#include "isolation/error.h"

namespace gantry {
namespace {

constexpr std::string_view LIMIT = "memory.limit_in_bytes";
constexpr std::string_view TOTAL = "memory.memsw.limit_in_bytes";

void write_memory_limit(const CgroupDirectory& directory, int64_t limit) {
  const int error = directory.try_write(LIMIT, std::to_string(limit));
  if (error == 0) return;
  const std::string operation = "write " + std::to_string(limit) + " to " + directory.name() + "/" + std::string(LIMIT);
  if (error == EBUSY) {
    throw Error(operation, error,
                "the container uses " + std::to_string(number_or(directory.read("memory.usage_in_bytes"), 0)) +
                    " bytes, more than the new memory limit");
  }
  if (error == EINVAL)
    throw Error(operation, error, "memory limit must not exceed the limit of memory and swap together");
  throw Error(operation, error);
}

/// The kernel holds limit <= memory and swap together at every instant, so the order depends on the direction.
void write_memory_and_swap(const CgroupDirectory& directory, int64_t limit, int64_t total) {
  if (total >= 0 && (limit < 0 || total < limit))
    throw Error("linux.resources.memory.swap", EINVAL, "must not be below the memory limit");
  if (directory.try_write(LIMIT, std::to_string(limit)) == 0) {
    write_limit(directory, TOTAL, std::to_string(total), "swap accounting");
    return;
  }
  write_limit(directory, TOTAL, std::to_string(total), "swap accounting");
  write_memory_limit(directory, limit);
}

void write_throttle(const CgroupDirectory& directory, std::string_view file, const std::vector<DeviceLimit>& limits) {
  for (const DeviceLimit& limit : limits) {
    write_limit(directory, file,
                std::to_string(limit.major) + ":" + std::to_string(limit.minor) + " " + std::to_string(limit.value),
                "block device throttling");
  }
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

void write_limit(const CgroupDirectory& directory, std::string_view file, std::string_view value,
                 std::string_view feature) {
  const int error = directory.try_write(file, value);
  if (error == 0) return;
  std::string detail;
  if (error == ENOENT && directory.exists()) detail = "this host has no support for " + std::string(feature);
  throw Error("write " + std::string(value) + " to " + directory.name() + "/" + std::string(file), error, detail);
}

void limit_memory_v1(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& memory = resources.memory;
  if (memory.limit && memory.swap) {
    write_memory_and_swap(directory, *memory.limit, *memory.swap);
  } else if (memory.limit == -1) {
    // Unlimited memory takes the limit of memory and swap with it, which would stand in its way.
    if (directory.has_file(TOTAL)) directory.write(TOTAL, "-1");
    write_memory_limit(directory, -1);
  } else if (memory.limit) {
    write_memory_limit(directory, *memory.limit);
  } else if (memory.swap) {
    write_limit(directory, TOTAL, std::to_string(*memory.swap), "swap accounting");
  }
  if (memory.reservation) directory.write("memory.soft_limit_in_bytes", std::to_string(*memory.reservation));
  if (memory.swappiness) directory.write("memory.swappiness", std::to_string(*memory.swappiness));
  if (memory.disable_oom_killer) directory.write("memory.oom_control", *memory.disable_oom_killer ? "1" : "0");
}

void limit_cpu_v1(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& cpu = resources.cpu;
  if (cpu.idle) write_limit(directory, "cpu.idle", std::to_string(*cpu.idle), "idle scheduling");
  if (cpu.shares) directory.write("cpu.shares", std::to_string(*cpu.shares));

  const auto write_period = [&] {
    return cpu.period ? directory.try_write("cpu.cfs_period_us", std::to_string(*cpu.period)) : 0;
  };
  // With a quota in force a new period may ask for more than the parent has; then the quota has to come first.
  const bool period_later = write_period() == EINVAL && cpu.quota;
  if (cpu.period && !period_later)
    write_limit(directory, "cpu.cfs_period_us", std::to_string(*cpu.period), "CPU quotas");
  if (cpu.quota) write_limit(directory, "cpu.cfs_quota_us", std::to_string(*cpu.quota), "CPU quotas");
  if (period_later) directory.write("cpu.cfs_period_us", std::to_string(*cpu.period));
  if (cpu.burst) write_limit(directory, "cpu.cfs_burst_us", std::to_string(*cpu.burst), "CPU bursts");

  if (cpu.realtime_period)
    write_limit(directory, "cpu.rt_period_us", std::to_string(*cpu.realtime_period), "real-time scheduling of groups");
  if (cpu.realtime_runtime)
    write_limit(directory, "cpu.rt_runtime_us", std::to_string(*cpu.realtime_runtime),
                "real-time scheduling of groups");
}

void inherit_cpuset_v1(const CgroupDirectory& directory) {
  if (directory.is_root()) return;
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    if (!trimmed(directory.read(file)).empty()) continue;
    const CgroupDirectory parent = directory.parent();
    std::string value = trimmed(parent.read(file));
    if (value.empty()) {
      inherit_cpuset_v1(parent);
      value = trimmed(parent.read(file));
    }
    directory.write(file, value);
  }
}

void limit_cpuset_v1(const CgroupDirectory& directory, const CgroupResources& resources) {
  if (!resources.cpu.cpus.empty()) directory.write("cpuset.cpus", resources.cpu.cpus);
  if (!resources.cpu.mems.empty()) directory.write("cpuset.mems", resources.cpu.mems);
}

void limit_block_io_v1(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& block_io = resources.block_io;
  const auto pick = [&](const char* bfq, const char* plain) { return directory.has_file(bfq) ? bfq : plain; };
  if (block_io.weight) {
    write_limit(directory, pick("blkio.bfq.weight", "blkio.weight"), std::to_string(*block_io.weight),
                "block I/O weights (no BFQ scheduler)");
  }
  for (const DeviceLimit& limit : block_io.weight_device) {
    write_limit(directory, pick("blkio.bfq.weight_device", "blkio.weight_device"),
                std::to_string(limit.major) + ":" + std::to_string(limit.minor) + " " + std::to_string(limit.value),
                "block I/O weights of devices (no BFQ scheduler)");
  }
  write_throttle(directory, "blkio.throttle.read_bps_device", block_io.read_bps);
  write_throttle(directory, "blkio.throttle.write_bps_device", block_io.write_bps);
  write_throttle(directory, "blkio.throttle.read_iops_device", block_io.read_iops);
  write_throttle(directory, "blkio.throttle.write_iops_device", block_io.write_iops);
}

void limit_pids(const CgroupDirectory& directory, const CgroupResources& resources) {
  // Docker means "no limit" by 0 as well as by -1. The file is the same on both versions.
  directory.write("pids.max", max_or_number(*resources.pids_limit > 0 ? *resources.pids_limit : -1));
}

void limit_hugepages(const CgroupDirectory& directory, const CgroupResources& resources) {
  const std::string suffix = directory.hierarchy().unified ? ".max" : ".limit_in_bytes";
  for (const auto& [size, limit] : resources.hugepages) {
    write_limit(directory, "hugetlb." + size + suffix, std::to_string(limit), "huge pages of " + size);
    const std::string reserved = "hugetlb." + size + ".rsvd" + suffix;
    if (directory.has_file(reserved)) directory.write(reserved, std::to_string(limit));
  }
}

}  // namespace gantry
