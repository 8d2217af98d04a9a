#include "isolation/cgroup_convert.h"

#include <charconv>
#include <cmath>

#include "isolation/error.h"

namespace gantry {

uint64_t cpu_weight_from_shares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const double log = std::log2(static_cast<double>(shares));
  // A parabola through (2, 1), (1024, 100) and (262144, 10000), in the exponents.
  return static_cast<uint64_t>(std::ceil(std::pow(10, (log * log + 125 * log) / 612 - 7.0 / 34)));
}

uint64_t io_weight_from_blkio_weight(uint64_t weight) {
  if (weight <= 10) return 1;
  if (weight >= 1000) return 10000;
  return 1 + (weight - 10) * 9999 / 990;
}

std::optional<std::string> swap_max_from_total(std::optional<int64_t> memory, std::optional<int64_t> total) {
  if (!total) {
    // Without a limit of memory, one of swap that was set with an earlier limit makes no sense any more.
    return memory && *memory == -1 ? std::optional<std::string>("max") : std::nullopt;
  }
  if (*total == -1) return "max";
  const std::string operation = "linux.resources.memory.swap";
  if (!memory || *memory < 0) throw Error(operation, EINVAL, "a swap limit needs a memory limit");
  if (*total < *memory) throw Error(operation, EINVAL, "must not be below the memory limit");
  return std::to_string(*total - *memory);
}

std::string max_or_number(int64_t limit) { return limit < 0 ? "max" : std::to_string(limit); }

uint64_t number_or(const std::string& text, uint64_t otherwise) {
  uint64_t value = 0;
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc() ? value : otherwise;
}

}  // namespace gantry
