#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "archive/byte_counter.h"
#include "archive/byte_stream.h"
#include "archive/compression.h"
#include "archive/unpack.h"
#include "isolation/error.h"

namespace gantry::archive {

/// See BlobOptions in daemon/runtime/addon.ts.
struct BlobOptions {
  std::string layer_directory;
  /// Of the blob, and of what it holds uncompressed; 0 for no limit.
  uint64_t max_bytes = 0;
  uint64_t max_entries = 0;
  /// For the files of a layer; the directory belongs to root of the maps.
  IdMap uid_map{};
  IdMap gid_map{};
  /// Counts what was stored, and handed to whoever unpacks it; may be absent.
  ByteCounter consumed{};
};

/// See ReceivedBlob in daemon/runtime/addon.ts.
struct ReceivedBlob {
  std::string digest;
  uint64_t size = 0;
  Compression compression = Compression::none;
  std::string diff_id;
  /// The first bytes.
  std::string start;
  /// What was unpacked, where it was a layer.
  std::optional<UnpackResult> layer;
  std::optional<Error> layer_error;
};

/// Writes a stream to a new file and takes its digests on the way, compressed and uncompressed; a layer is unpacked
/// beside it, on a second thread. Each byte is read, hashed, decompressed and handed on once.
ReceivedBlob receive_blob(ByteStream& input, const std::string& path, const BlobOptions& options);

}  // namespace gantry::archive
