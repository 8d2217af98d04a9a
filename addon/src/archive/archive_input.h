#pragma once

#include <cstdint>
#include <memory>

#include "archive/byte_source.h"

namespace gantry::archive {

/// A tar stream from a descriptor, which stays the caller's, with whatever compression it has taken off.
class ArchiveInput {
 public:
  /// Looks at the first bytes to tell the compression.
  /// @param limit beyond so many uncompressed bytes reading fails with EFBIG; 0 for no limit
  /// @param consumed counts the bytes read, compressed as they are
  ArchiveInput(int fd, uint64_t limit, ByteCounter consumed = nullptr);

  ByteSource& source() noexcept { return *source_; }
  /// Reads on to the end of the descriptor, so that its writer is not cut off in an archive's trailing padding.
  /// Stops after `max` bytes: what follows an archive has no end that anyone promised.
  void drain(uint64_t max) noexcept;

 private:
  FdStream raw_;
  std::unique_ptr<PrefixedStream> stream_;
  std::unique_ptr<ByteStream> decompressor_;
  std::unique_ptr<BufferedPieces> pieces_;
  std::unique_ptr<ByteSource> source_;
};

}  // namespace gantry::archive
