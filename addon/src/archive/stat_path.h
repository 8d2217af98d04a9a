#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "archive/root.h"

namespace gantry::archive {

/// See PathStat in daemon/runtime/addon.ts.
struct PathStat {
  std::string name;
  int64_t size = 0;
  /// Go's os.FileMode.
  uint32_t mode = 0;
  /// As they are on the disk.
  uint32_t uid = 0;
  uint32_t gid = 0;
  /// RFC 3339, UTC, nanoseconds without trailing zeros.
  std::string mtime;
  /// Where a link ends up inside the root; empty if it is no link.
  std::string link_target;
  /// The path with every link in it resolved, except one as the last component.
  std::string resolved_path;
};

/// Looks at a path without following a link in its last component, unless a slash or "/." follows it.
PathStat stat_path(const Root& root, const std::string& path);

/// Reads a regular file of at most `max_bytes`; a longer one is EFBIG.
std::string read_file(const Root& root, const std::string& path, uint64_t max_bytes);

/// The same, unless there are more than `small` bytes.
std::optional<std::string> read_small_file(const Root& root, const std::string& path, uint64_t small,
                                           uint64_t max_bytes);

}  // namespace gantry::archive
