#include <algorithm>
#include <sstream>

#include "isolation/cgroup_convert.h"
#include "isolation/cgroup_stats.h"

namespace gantry {
namespace {

uint64_t number_in(const CgroupDirectory& directory, std::string_view file) {
  return number_or(directory.read_if_present(file).value_or(""), 0);
}

CgroupStats::BlockIo& entry_of(std::vector<CgroupStats::BlockIo>& entries, unsigned major, unsigned minor,
                               const std::string& op) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const CgroupStats::BlockIo& entry) {
    return entry.major == major && entry.minor == minor && entry.op == op;
  });
  if (found != entries.end()) return *found;
  CgroupStats::BlockIo entry;
  entry.major = major;
  entry.minor = minor;
  entry.op = op;
  return entries.emplace_back(std::move(entry));
}

template <typename Set>
void for_each_line(std::string_view text, std::vector<CgroupStats::BlockIo>& entries, Set set) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    unsigned major = 0, minor = 0;
    char colon = 0;
    std::string op;
    uint64_t value = 0;
    // The last line, "Total 12", is about all devices and has no number to begin with.
    if (fields >> major >> colon >> minor >> op >> value) set(entry_of(entries, major, minor, op), value);
  }
}

}  // namespace

std::vector<CgroupStats::BlockIo> parse_block_io_v1(std::string_view bytes, std::string_view operations) {
  std::vector<CgroupStats::BlockIo> result;
  for_each_line(bytes, result, [](CgroupStats::BlockIo& entry, uint64_t value) { entry.bytes = value; });
  for_each_line(operations, result, [](CgroupStats::BlockIo& entry, uint64_t value) { entry.operations = value; });
  return result;
}

void read_cpuacct_v1(const CgroupDirectory& directory, CgroupStats& stats) {
  stats.cpu.usage = number_in(directory, "cpuacct.usage");
  stats.cpu.user = number_in(directory, "cpuacct.usage_user");
  stats.cpu.system = number_in(directory, "cpuacct.usage_sys");
  std::istringstream each(directory.read_if_present("cpuacct.usage_percpu").value_or(""));
  for (uint64_t usage = 0; each >> usage;) stats.cpu.per_cpu.push_back(usage);
}

void read_cpu_v1(const CgroupDirectory& directory, CgroupStats& stats) {
  for (const auto& [name, value] : parse_flat_keyed(directory.read_if_present("cpu.stat").value_or(""))) {
    if (name == "nr_periods") stats.cpu.periods = value;
    if (name == "nr_throttled") stats.cpu.throttled_periods = value;
    if (name == "throttled_time") stats.cpu.throttled = value;
  }
}

void read_memory_v1(const CgroupDirectory& directory, CgroupStats& stats) {
  stats.memory.usage = number_in(directory, "memory.usage_in_bytes");
  stats.memory.max_usage = number_in(directory, "memory.max_usage_in_bytes");
  stats.memory.limit = std::min(number_in(directory, "memory.limit_in_bytes"), machine_memory());
  stats.memory.failcnt = number_in(directory, "memory.failcnt");
  for (auto& [name, value] : parse_flat_keyed(directory.read_if_present("memory.stat").value_or("")))
    stats.memory.stats[name] = value;
}

void read_block_io_v1(const CgroupDirectory& directory, CgroupStats& stats) {
  const auto read = [&](const char* throttle, const char* bfq) {
    const auto text = directory.read_if_present(throttle);
    return text ? *text : directory.read_if_present(bfq).value_or("");
  };
  stats.blkio =
      parse_block_io_v1(read("blkio.throttle.io_service_bytes_recursive", "blkio.bfq.io_service_bytes_recursive"),
                        read("blkio.throttle.io_serviced_recursive", "blkio.bfq.io_serviced_recursive"));
}

}  // namespace gantry
