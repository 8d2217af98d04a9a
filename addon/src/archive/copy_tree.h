#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "archive/directory.h"
#include "archive/id_map.h"
#include "archive/root.h"

namespace gantry::archive {

/// One source of a COPY and where it goes.
struct CopyItem {
  /// In the source root. A link as its last component is followed.
  std::string from;
  /// In the destination root. With a slash at its end, or where there is a directory, a file goes into it; the content
  /// of a directory always does.
  std::string to;
};

struct CopyOptions {
  /// Patterns of what is left out, relative to each item.
  std::vector<std::string> exclude;
  /// Of everything that is copied, in place of its own.
  std::optional<Owner> owner;
  /// Of directories that are made on the way when `owner` says nothing.
  Owner default_owner;
  /// For ModeChange; empty for the files' own.
  std::string mode;
  /// Who is root in the container, for file capabilities.
  uint32_t root = 0;
  /// A regular file that is an archive, compressed or not, is unpacked instead.
  bool unpack_archives = false;
  /// Of everything in archives; their own ids, as the maps have it, when absent.
  std::optional<Owner> archive_owner;
  IdMap uid_map;
  IdMap gid_map;
  /// The source is a layer: what it hides in those below is removed in the destination.
  bool apply_whiteouts = false;
  /// Of what an archive may hold; 0 for no limit.
  uint64_t max_bytes = 0;
  uint64_t max_entries = 0;
};

struct CopyResult {
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

/// Copies files and trees from one root into another: contents, modes, owners, times, extended attributes, links.
/// Where a path leads is up to the kernel, and in either root it cannot leave it. @throws Error
CopyResult copy_trees(const Root& source, const Root& destination, const std::vector<CopyItem>& items,
                      const CopyOptions& options);

}  // namespace gantry::archive
