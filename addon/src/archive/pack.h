#pragma once

#include <optional>
#include <string>
#include <vector>

#include "archive/id_map.h"
#include "archive/root.h"

namespace gantry::archive {

/// See PackOptions in daemon/runtime/addon.ts.
struct PackOptions {
  std::optional<std::string> as;
  bool whiteouts = false;
  IdMap uid_map;
  IdMap gid_map;
  std::vector<std::string> exclude;
};

/// Writes `path` of `root`, with all below it, as a tar stream to `output`. A link as the last component is packed as a
/// link, unless a slash follows. Sockets are left out, as tar has no type for them.
void pack(const Root& root, const std::string& path, int output, const PackOptions& options);

}  // namespace gantry::archive
