#include "archive/byte_source.h"

#include <archive.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t buffer_size = 1 << 18;
constexpr size_t magic_size = 6;

enum class Compression { none, gzip, bzip2, xz, zstd };

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

Compression detect(std::string_view start) {
  using namespace std::string_view_literals;
  if (starts_with(start, "\x1f\x8b"sv)) return Compression::gzip;
  if (starts_with(start, "BZh"sv)) return Compression::bzip2;
  if (starts_with(start,
                  "\xfd"
                  "7zXZ\0"sv)) {
    return Compression::xz;
  }
  if (starts_with(start, "\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  // A skippable frame may come before the first one.
  if (start.size() >= 4 && (start[0] & 0xf0) == 0x50 && start.substr(1, 3) == "\x2a\x4d\x18"sv) {
    return Compression::zstd;
  }
  return Compression::none;
}

int support(::archive* reader, Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return archive_read_support_filter_gzip(reader);
    case Compression::bzip2:
      return archive_read_support_filter_bzip2(reader);
    case Compression::xz:
      return archive_read_support_filter_xz(reader);
    case Compression::zstd:
      return archive_read_support_filter_zstd(reader);
    case Compression::none:
      break;
  }
  return ARCHIVE_FATAL;
}

}  // namespace

void throw_truncated() { throw Error("read archive", 0, "unexpected EOF: the archive is truncated"); }

/// libarchive's filter over the descriptor, its "raw" format giving the uncompressed bytes.
struct ByteSource::Decompressor {
  Decompressor(ByteSource& source, Compression compression)
      : owner(source), pending(source.buffer_.begin(), source.buffer_.begin() + static_cast<long>(source.end_)) {
    input.resize(buffer_size);
    reader = archive_read_new();
    if (reader == nullptr) throw std::bad_alloc();
    // ARCHIVE_WARN would mean an external program instead of a library.
    if (support(reader, compression) != ARCHIVE_OK || archive_read_support_format_raw(reader) != ARCHIVE_OK ||
        archive_read_support_format_empty(reader) != ARCHIVE_OK) {
      archive_read_free(reader);
      throw Error("read archive", ENOTSUP, "this compression is not built in");
    }
    archive_entry* entry = nullptr;
    int result = archive_read_open(reader, this, nullptr, &read_callback, nullptr);
    if (result == ARCHIVE_OK) result = archive_read_next_header(reader, &entry);
    if (result == ARCHIVE_EOF) ended = true;
    if (result != ARCHIVE_OK && result != ARCHIVE_EOF) {
      const Error error = failure();
      archive_read_free(reader);
      throw error;
    }
  }
  ~Decompressor() { archive_read_free(reader); }

  size_t read(char* out, size_t size) {
    if (ended) return 0;
    const la_ssize_t got = archive_read_data(reader, out, size);
    if (got < 0) throw failure();
    ended = got == 0;
    return static_cast<size_t>(got);
  }

  Error failure() const {
    const char* text = archive_error_string(reader);
    return Error("decompress archive", 0, text != nullptr ? text : "corrupt data");
  }

  static la_ssize_t read_callback(::archive* reader, void* data, const void** out) {
    auto& self = *static_cast<Decompressor*>(data);
    if (!self.pending.empty()) {
      self.input.swap(self.pending);
      self.pending.clear();
      *out = self.input.data();
      return static_cast<la_ssize_t>(self.input.size());
    }
    self.input.resize(buffer_size);
    try {
      *out = self.input.data();
      return static_cast<la_ssize_t>(self.owner.read_raw(self.input.data(), self.input.size()));
    } catch (const Error& error) {
      archive_set_error(reader, error.error(), "%s", error.what());
      return -1;
    }
  }

  ByteSource& owner;
  ::archive* reader = nullptr;
  std::vector<char> pending;
  std::vector<char> input;
  bool ended = false;
};

ByteSource::ByteSource(int fd, uint64_t limit) : fd_(fd), limit_(limit), buffer_(buffer_size) {
  while (end_ < magic_size) {
    const size_t got = read_raw(buffer_.data() + end_, buffer_.size() - end_);
    if (got == 0) break;
    end_ += got;
  }
  const Compression compression = detect({buffer_.data(), end_});
  if (compression == Compression::none) {
    total_ = end_;
    return;
  }
  decompressor_ = std::make_unique<Decompressor>(*this, compression);
  end_ = 0;
}

ByteSource::~ByteSource() = default;

size_t ByteSource::read_raw(char* out, size_t size) {
  while (true) {
    const ssize_t got = ::read(fd_, out, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw Error("read archive");
  }
}

bool ByteSource::refill() {
  if (begin_ < end_) return true;
  begin_ = 0;
  end_ = decompressor_ ? decompressor_->read(buffer_.data(), buffer_.size()) : read_raw(buffer_.data(), buffer_.size());
  total_ += end_;
  if (limit_ != 0 && total_ > limit_ + buffer_size) {
    throw Error("read archive", EFBIG, "more than " + std::to_string(limit_) + " bytes");
  }
  return end_ > 0;
}

std::string_view ByteSource::take(size_t max) {
  if (!refill()) return {};
  const size_t size = std::min(max, end_ - begin_);
  const std::string_view result(buffer_.data() + begin_, size);
  begin_ += size;
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

void ByteSource::drain(uint64_t max) noexcept {
  std::vector<char> scratch(1 << 16);
  for (uint64_t done = 0; done < max;) {
    const ssize_t got = ::read(fd_, scratch.data(), scratch.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    done += static_cast<uint64_t>(got);
  }
}

}  // namespace gantry::archive
