#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "archive/byte_counter.h"
#include "archive/byte_source.h"
#include "archive/directory.h"
#include "archive/id_map.h"
#include "archive/root.h"

namespace gantry::archive {

/// See UnpackOptions in daemon/runtime/addon.ts.
struct UnpackOptions {
  bool keep_directory_types = false;
  std::optional<Owner> owner;
  bool whiteouts = false;
  bool top_attributes = false;
  IdMap uid_map;
  IdMap gid_map;
  /// 0 for no limit.
  uint64_t max_bytes = 0;
  /// 0 for no limit.
  uint64_t max_entries = 0;
  /// Counts what is read of the input; may be absent.
  ByteCounter consumed;
};

struct UnpackResult {
  /// Content written.
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

/// Reads a tar stream from `input` into the directory `path` of `root`. What an archive names is looked up by the
/// kernel inside the root only; entries that point above `path` are refused.
UnpackResult unpack(const Root& root, const std::string& path, int input, const UnpackOptions& options);
/// The same from bytes that are not compressed (any more).
UnpackResult unpack(const Root& root, const std::string& path, ByteSource& source, const UnpackOptions& options);

}  // namespace gantry::archive
