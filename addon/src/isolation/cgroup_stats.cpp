#include "isolation/cgroup_stats.h"

#include <sys/sysinfo.h>

#include <sstream>

#include "isolation/cgroup_convert.h"

namespace gantry {

std::vector<std::pair<std::string, uint64_t>> parse_flat_keyed(std::string_view text) {
  std::vector<std::pair<std::string, uint64_t>> result;
  std::istringstream stream{std::string(text)};
  std::string name;
  uint64_t value = 0;
  while (stream >> name >> value) result.emplace_back(name, value);
  return result;
}

uint64_t machine_memory() {
  struct sysinfo info = {};
  ::sysinfo(&info);
  return static_cast<uint64_t>(info.totalram) * info.mem_unit;
}

void read_pids(const CgroupDirectory& directory, CgroupStats& stats) {
  stats.pids.current = number_or(directory.read_if_present("pids.current").value_or(""), 0);
  stats.pids.limit = number_or(directory.read_if_present("pids.max").value_or(""), 0);
}

}  // namespace gantry
