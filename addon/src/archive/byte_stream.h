#pragma once

#include <cstddef>
#include <string>
#include <string_view>

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
  explicit FdStream(int fd) : fd_(fd) {}
  size_t read(char* out, size_t size) override;

 private:
  int fd_;
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
