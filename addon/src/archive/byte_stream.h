#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "archive/byte_counter.h"

namespace gantry::archive {

/// Bytes in their order, from wherever they come. Reading may block.
class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// At least one byte and at most `size`; 0 only at the end. @throws Error
  virtual size_t read(char* out, size_t size) = 0;
};

/// Fills `out` as far as there are bytes; less than `size` means that the stream has ended.
size_t read_fully(ByteStream& stream, char* out, size_t size);

/// What a descriptor gives. It stays the caller's.
class FdStream final : public ByteStream {
 public:
  /// @param counter counts what was read, where there is one
  explicit FdStream(int fd, ByteCounter counter = nullptr) : fd_(fd), counter_(std::move(counter)) {}
  size_t read(char* out, size_t size) override;

 private:
  int fd_;
  ByteCounter counter_;
};

/// Bytes that were read ahead, and then the stream they came from.
class PrefixedStream final : public ByteStream {
 public:
  PrefixedStream(std::string prefix, ByteStream& rest) : prefix_(std::move(prefix)), rest_(rest) {}
  size_t read(char* out, size_t size) override;

 private:
  std::string prefix_;
  size_t position_ = 0;
  ByteStream& rest_;
};

}  // namespace gantry::archive
