#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "archive/directory.h"
#include "archive/root.h"

namespace gantry::archive {

struct TreeDigestOptions {
  /// Patterns of what is left out, relative to each path.
  std::vector<std::string> exclude;
  /// Counts in place of the files' own.
  std::optional<Owner> owner;
};

/// What may be looked at: a caller that must not wait for long sets it.
struct TreeDigestLimits {
  uint64_t entries;
  uint64_t bytes;
};

/// "sha256:…" over everything below the paths that a copy of them would show: names, types, modes, owners, extended
/// attributes, link targets and contents, but not times. A link as the last component of a path is followed.
std::string tree_digest(const Root& root, const std::vector<std::string>& paths, const TreeDigestOptions& options);

/// The same, unless there is more than the limits allow.
std::optional<std::string> tree_digest_within(const Root& root, const std::vector<std::string>& paths,
                                              const TreeDigestOptions& options, const TreeDigestLimits& limits);

}  // namespace gantry::archive
