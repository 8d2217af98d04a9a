#include "archive/id_map.h"

#include <string>

#include "isolation/error.h"

namespace gantry::archive {
namespace {
constexpr uint32_t overflow_id = 65534;
constexpr int64_t invalid_id = 0xffffffff;  // (uid_t)-1 means "leave as it is" to chown
}  // namespace

uint32_t IdMap::to_host(int64_t container_id) const {
  if (container_id < 0 || container_id >= invalid_id) {
    throw Error("unpack archive", 0, "invalid user or group id " + std::to_string(container_id));
  }
  if (ranges_.empty()) return static_cast<uint32_t>(container_id);
  for (const IdRange& range : ranges_) {
    const int64_t offset = container_id - range.container_id;
    if (offset >= 0 && offset < range.size) return static_cast<uint32_t>(range.host_id + offset);
  }
  throw Error("unpack archive", 0, "id " + std::to_string(container_id) + " is not mapped in the user namespace");
}

uint32_t IdMap::to_container(uint32_t host_id) const noexcept {
  if (ranges_.empty()) return host_id;
  for (const IdRange& range : ranges_) {
    const int64_t offset = static_cast<int64_t>(host_id) - range.host_id;
    if (offset >= 0 && offset < range.size) return static_cast<uint32_t>(range.container_id + offset);
  }
  return overflow_id;
}

}  // namespace gantry::archive
