// Limits on cgroup v2, controller by controller.
#include "isolation/cgroup_convert.h"
#include "isolation/cgroup_limits.h"
#include "isolation/error.h"

namespace gantry {
namespace {

std::string device_name(const DeviceLimit& limit) {
  return std::to_string(limit.major) + ":" + std::to_string(limit.minor);
}

void write_io_max(const CgroupDirectory& directory, const char* key, const std::vector<DeviceLimit>& limits) {
  for (const DeviceLimit& limit : limits) {
    // v1 says "no limit" with a rate of 0.
    const std::string rate = limit.value == 0 ? "max" : std::to_string(limit.value);
    write_limit(directory, "io.max", device_name(limit) + " " + key + "=" + rate, "block device throttling");
  }
}

/// The memory limit that a new total of memory and swap goes with.
std::optional<int64_t> effective_limit(const CgroupDirectory& directory, const CgroupResources& resources) {
  if (resources.memory.limit || !resources.memory.swap) return resources.memory.limit;
  const uint64_t now = number_or(directory.read("memory.max"), UINT64_MAX);
  return now == UINT64_MAX ? std::nullopt : std::optional<int64_t>(static_cast<int64_t>(now));
}

}  // namespace

void limit_memory_v2(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& memory = resources.memory;
  if (memory.swappiness) throw Error("linux.resources.memory.swappiness", ENOTSUP, "cgroup v2 has no swappiness");
  if (memory.disable_oom_killer.value_or(false))
    throw Error("linux.resources.memory.disableOOMKiller", ENOTSUP, "cgroup v2 cannot turn the OOM killer off");

  const std::optional<std::string> swap = swap_max_from_total(effective_limit(directory, resources), memory.swap);
  if (memory.limit && *memory.limit >= 0 && memory.check_before_update) {
    const uint64_t used = number_or(directory.read("memory.current"), 0);
    if (used > static_cast<uint64_t>(*memory.limit)) {
      throw Error("write " + std::to_string(*memory.limit) + " to " + directory.name() + "/memory.max", EBUSY,
                  "the container uses " + std::to_string(used) + " bytes, more than the new memory limit");
    }
  }
  if (swap) {
    const bool unlimited = *swap == "max";
    // A kernel without swap accounting has no limit to lift.
    if (!unlimited || directory.has_file("memory.swap.max"))
      write_limit(directory, "memory.swap.max", *swap, "swap accounting");
  }
  if (memory.limit) directory.write("memory.max", max_or_number(*memory.limit));
  if (memory.reservation) directory.write("memory.low", max_or_number(*memory.reservation));
}

void limit_cpu_v2(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& cpu = resources.cpu;
  if (cpu.realtime_period || cpu.realtime_runtime)
    throw Error("linux.resources.cpu.realtimeRuntime", ENOTSUP, "cgroup v2 has no real-time scheduling of groups");
  if (cpu.idle) write_limit(directory, "cpu.idle", std::to_string(*cpu.idle), "idle scheduling");
  if (cpu.shares) {
    const uint64_t shares = *cpu.shares < 0 ? 0 : static_cast<uint64_t>(*cpu.shares);
    directory.write("cpu.weight", std::to_string(cpu_weight_from_shares(shares)));
  }
  if (cpu.quota || cpu.period) {
    std::string value;
    if (cpu.quota) {
      value = *cpu.quota > 0 ? std::to_string(*cpu.quota) : "max";
    } else {
      const std::string now = directory.read("cpu.max");
      value = now.substr(0, now.find(' '));
    }
    if (cpu.period) value += " " + std::to_string(*cpu.period);
    write_limit(directory, "cpu.max", value, "CPU quotas");
  }
  if (cpu.burst) write_limit(directory, "cpu.max.burst", std::to_string(*cpu.burst), "CPU bursts");
}

void limit_cpuset_v2(const CgroupDirectory& directory, const CgroupResources& resources) {
  if (!resources.cpu.cpus.empty()) directory.write("cpuset.cpus", resources.cpu.cpus);
  if (!resources.cpu.mems.empty()) directory.write("cpuset.mems", resources.cpu.mems);
}

void limit_block_io_v2(const CgroupDirectory& directory, const CgroupResources& resources) {
  const auto& block_io = resources.block_io;
  if (block_io.weight || !block_io.weight_device.empty()) {
    // BFQ takes the old range of weights, the cost model (io.weight) one of its own.
    const bool bfq = directory.has_file("io.bfq.weight");
    const char* file = bfq ? "io.bfq.weight" : "io.weight";
    const auto convert = [&](uint64_t weight) {
      return std::to_string(bfq ? weight : io_weight_from_blkio_weight(weight));
    };
    if (block_io.weight)
      write_limit(directory, file, convert(static_cast<uint64_t>(*block_io.weight)), "block I/O weights");
    for (const DeviceLimit& limit : block_io.weight_device)
      write_limit(directory, file, device_name(limit) + " " + convert(limit.value), "block I/O weights of devices");
  }
  write_io_max(directory, "rbps", block_io.read_bps);
  write_io_max(directory, "wbps", block_io.write_bps);
  write_io_max(directory, "riops", block_io.read_iops);
  write_io_max(directory, "wiops", block_io.write_iops);
}

void write_unified(const CgroupDirectory& directory, const CgroupResources& resources) {
  for (const auto& [file, value] : resources.unified)
    write_limit(directory, file, value, "the controller of linux.resources.unified");
}

}  // namespace gantry
