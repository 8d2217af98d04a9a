#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gantry {

/// The options of one entry of `mounts` in an OCI spec, sorted by who understands them.
struct MountOptions {
  /// MOUNT_ATTR_* for this mount only, and for the whole tree ("rro", "rnosuid").
  uint64_t set = 0, clear = 0;
  uint64_t recursive_set = 0, recursive_clear = 0;

  struct Propagation {
    /// MS_PRIVATE, MS_SHARED, MS_SLAVE or MS_UNBINDABLE
    uint64_t type;
    bool recursive;
  };
  std::vector<Propagation> propagation;

  bool bind = false;
  bool recursive_bind = false;
  /// Map the ids of everything mounted below as well.
  bool recursive_id_map = false;
  /// Start a tmpfs with what it covers.
  bool copy_up = false;

  /// For the file system itself: "size=64m" and flags like "sync".
  std::vector<std::pair<std::string, std::optional<std::string>>> parameters;
};

/// @throws Error naming an option that is neither known nor a parameter that the file system could take
MountOptions parse_mount_options(const std::vector<std::string>& options);

/// "rslave" and the like; no value for any other word.
std::optional<MountOptions::Propagation> parse_propagation(const std::string& name);

}  // namespace gantry
