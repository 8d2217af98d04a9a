#include "archive/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isolation/error.h"

namespace gantry::archive {

size_t read_fully(ByteStream& stream, char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const size_t got = stream.read(out + done, size - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

size_t FdStream::read(char* out, size_t size) {
  while (true) {
    const ssize_t got = ::read(fd_, out, size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("read archive");
    if (counter_) *counter_ += static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
  }
}

size_t PrefixedStream::read(char* out, size_t size) {
  if (position_ == prefix_.size()) return rest_.read(out, size);
  const size_t part = std::min(size, prefix_.size() - position_);
  std::memcpy(out, prefix_.data() + position_, part);
  position_ += part;
  return part;
}

}  // namespace gantry::archive
