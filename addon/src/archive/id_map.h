#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace gantry::archive {

/// One range of a user namespace's map.
struct IdRange {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
};

/// Shifts user or group ids between a container and the host; empty maps leave them alone.
class IdMap {
 public:
  IdMap() = default;
  explicit IdMap(std::vector<IdRange> ranges) : ranges_(std::move(ranges)) {}

  bool empty() const noexcept { return ranges_.empty(); }
  /// @throws Error if the id is not a valid one, or is not mapped.
  uint32_t to_host(int64_t container_id) const;
  /// Ids outside the map become 65534, as the kernel shows them inside.
  uint32_t to_container(uint32_t host_id) const noexcept;

 private:
  std::vector<IdRange> ranges_;
};

}  // namespace gantry::archive
