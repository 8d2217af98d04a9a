#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "archive/byte_stream.h"

namespace gantry::archive {

/// Where a ByteSource gets its bytes, a piece at a time and without copying them.
class PieceStream {
 public:
  PieceStream() = default;
  virtual ~PieceStream() = default;
  PieceStream(const PieceStream&) = delete;
  PieceStream& operator=(const PieceStream&) = delete;

  /// The next bytes, valid until the next call; empty at the end.
  virtual std::string_view next() = 0;
};

/// A stream in pieces, by way of a buffer.
class BufferedPieces final : public PieceStream {
 public:
  explicit BufferedPieces(ByteStream& stream);
  std::string_view next() override;

 private:
  ByteStream& stream_;
  std::vector<char> buffer_;
};

/// The bytes of a tar stream. Reads block, so it belongs on a thread of its own.
class ByteSource {
 public:
  /// @param limit beyond so many bytes reading fails with EFBIG; 0 for no limit
  explicit ByteSource(PieceStream& pieces, uint64_t limit = 0) : pieces_(pieces), limit_(limit) {}

  /// The next bytes, at most `max` and at least one; empty at the end. Valid until the next call.
  std::string_view take(size_t max);
  /// Fills `out`. False if the stream ended before the first byte; a stream that ends in between is an Error.
  bool read_exact(char* out, size_t size);
  /// @throws Error if the stream ends before.
  void skip(uint64_t size);

 private:
  bool refill();

  PieceStream& pieces_;
  std::string_view rest_;
  uint64_t limit_;
  uint64_t total_ = 0;
};

/// The Error for an archive that ends too early. Wording of Go's io.ErrUnexpectedEOF, which clients know from Docker.
[[noreturn]] void throw_truncated();

}  // namespace gantry::archive
