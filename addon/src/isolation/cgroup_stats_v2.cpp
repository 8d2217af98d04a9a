#include <algorithm>
#include <sstream>

#include "isolation/cgroup_convert.h"
#include "isolation/cgroup_stats.h"

namespace gantry {

std::vector<CgroupStats::BlockIo> parse_block_io_v2(std::string_view text) {
  std::vector<CgroupStats::BlockIo> result;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    CgroupStats::BlockIo read, write;
    char colon = 0;
    if (!(fields >> read.major >> colon >> read.minor)) continue;
    write.major = read.major;
    write.minor = read.minor;
    read.op = "read";
    write.op = "write";
    for (std::string word; fields >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) continue;
      const std::string name = word.substr(0, equals);
      const uint64_t value = number_or(word.substr(equals + 1), 0);
      if (name == "rbytes") read.bytes = value;
      if (name == "wbytes") write.bytes = value;
      if (name == "rios") read.operations = value;
      if (name == "wios") write.operations = value;
    }
    result.push_back(std::move(read));
    result.push_back(std::move(write));
  }
  return result;
}

void read_cpu_v2(const CgroupDirectory& directory, CgroupStats& stats) {
  constexpr uint64_t NANOSECONDS = 1000;
  for (const auto& [name, value] : parse_flat_keyed(directory.read_if_present("cpu.stat").value_or(""))) {
    if (name == "usage_usec") stats.cpu.usage = value * NANOSECONDS;
    if (name == "user_usec") stats.cpu.user = value * NANOSECONDS;
    if (name == "system_usec") stats.cpu.system = value * NANOSECONDS;
    if (name == "nr_periods") stats.cpu.periods = value;
    if (name == "nr_throttled") stats.cpu.throttled_periods = value;
    if (name == "throttled_usec") stats.cpu.throttled = value * NANOSECONDS;
  }
}

void read_memory_v2(const CgroupDirectory& directory, CgroupStats& stats) {
  const auto number = [&](const char* file, uint64_t unlimited) {
    return number_or(directory.read_if_present(file).value_or(""), unlimited);
  };
  stats.memory.usage = number("memory.current", 0);
  stats.memory.max_usage = number("memory.peak", 0);
  stats.memory.limit = std::min(number("memory.max", UINT64_MAX), machine_memory());
  for (const auto& [name, value] : parse_flat_keyed(directory.read_if_present("memory.events").value_or("")))
    if (name == "oom") stats.memory.failcnt = value;
  for (auto& [name, value] : parse_flat_keyed(directory.read_if_present("memory.stat").value_or("")))
    stats.memory.stats[name] = value;
}

void read_block_io_v2(const CgroupDirectory& directory, CgroupStats& stats) {
  stats.blkio = parse_block_io_v2(directory.read_if_present("io.stat").value_or(""));
}

}  // namespace gantry
