#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

struct archive;

namespace gantry::archive {

/// The bytes of a tar stream from a descriptor, with gzip, bzip2, xz or zstd compression taken off by libarchive.
/// Reads block, so it belongs on a thread of its own.
class ByteSource {
 public:
  /// Looks at the first bytes to tell the compression. `fd` stays the caller's.
  /// @param limit beyond so many uncompressed bytes reading fails with EFBIG; 0 for no limit
  ByteSource(int fd, uint64_t limit);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// The next bytes, at most `max` and at least one; empty at the end. Valid until the next call.
  std::string_view take(size_t max);
  /// Fills `out`. False if the stream ended before the first byte; a stream that ends in between is an Error.
  bool read_exact(char* out, size_t size);
  /// @throws Error if the stream ends before.
  void skip(uint64_t size);
  /// Reads on to the end of the descriptor, so that its writer is not cut off in an archive's trailing padding.
  /// Stops after `max` bytes: what follows an archive has no end that anyone promised.
  void drain(uint64_t max) noexcept;

 private:
  struct Decompressor;
  size_t read_raw(char* out, size_t size);
  bool refill();

  int fd_;
  uint64_t limit_;
  uint64_t total_ = 0;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  std::unique_ptr<Decompressor> decompressor_;
};

/// The Error for an archive that ends too early. Wording of Go's io.ErrUnexpectedEOF, which clients know from Docker.
[[noreturn]] void throw_truncated();

}  // namespace gantry::archive
