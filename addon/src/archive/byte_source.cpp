#include "archive/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t buffer_size = 1 << 18;

}  // namespace

void throw_truncated() { throw Error("read archive", 0, "unexpected EOF: the archive is truncated"); }

BufferedPieces::BufferedPieces(ByteStream& stream) : stream_(stream), buffer_(buffer_size) {}

std::string_view BufferedPieces::next() { return {buffer_.data(), stream_.read(buffer_.data(), buffer_.size())}; }

bool ByteSource::refill() {
  if (!rest_.empty()) return true;
  rest_ = pieces_.next();
  total_ += rest_.size();
  if (limit_ != 0 && total_ > limit_ + buffer_size) {
    throw Error("read archive", EFBIG, "more than " + std::to_string(limit_) + " bytes");
  }
  return !rest_.empty();
}

std::string_view ByteSource::take(size_t max) {
  if (!refill()) return {};
  const std::string_view result = rest_.substr(0, max);
  rest_.remove_prefix(result.size());
  return result;
}

bool ByteSource::read_exact(char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const std::string_view part = take(size - done);
    if (part.empty()) {
      if (done == 0) return false;
      throw_truncated();
    }
    std::memcpy(out + done, part.data(), part.size());
    done += part.size();
  }
  return true;
}

void ByteSource::skip(uint64_t size) {
  while (size > 0) {
    const std::string_view part = take(static_cast<size_t>(std::min<uint64_t>(size, buffer_size)));
    if (part.empty()) throw_truncated();
    size -= part.size();
  }
}

}  // namespace gantry::archive
