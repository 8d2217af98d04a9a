#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gantry {

/// `size` ids of a user namespace, from `inside` on, and those they are outside of it.
struct IdRange {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t size = 0;
};

/// The maps of a user namespace. Empty ones stand for no namespace at all: ids are the same on both sides.
struct IdMaps {
  std::vector<IdRange> users, groups;

  bool empty() const { return users.empty() && groups.empty(); }
  /// @throws Error for an id that is not mapped
  uid_t user_outside(uid_t inside) const;
  gid_t group_outside(gid_t inside) const;
};

/// `uidMappings` and `gidMappings` of an object of the OCI spec; empty when it has none.
IdMaps read_id_maps(const nlohmann::json& object);

/// Writes uid_map and gid_map of a process in a new user namespace. @throws Error
void write_id_maps(pid_t pid, const IdMaps& maps);

}  // namespace gantry
