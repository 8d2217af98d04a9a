#include "archive/libarchive_stream.h"

#include <archive.h>

#include <new>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t input_size = 1 << 18;

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

LibarchiveStream::LibarchiveStream(ByteStream& input, Compression compression)
    : input_(input), buffer_(input_size), reader_(archive_read_new()) {
  if (reader_ == nullptr) throw std::bad_alloc();
  try {
    open(compression);
  } catch (...) {
    archive_read_free(reader_);
    throw;
  }
}

LibarchiveStream::~LibarchiveStream() { archive_read_free(reader_); }

void LibarchiveStream::open(Compression compression) {
  // ARCHIVE_WARN would mean an external program instead of a library.
  if (support(reader_, compression) != ARCHIVE_OK || archive_read_support_format_raw(reader_) != ARCHIVE_OK ||
      archive_read_support_format_empty(reader_) != ARCHIVE_OK) {
    throw Error("read archive", ENOTSUP, "this compression is not built in");
  }
  archive_entry* entry = nullptr;
  int result = archive_read_open(reader_, this, nullptr, &read_callback, nullptr);
  if (result == ARCHIVE_OK) result = archive_read_next_header(reader_, &entry);
  ended_ = result == ARCHIVE_EOF;
  if (result != ARCHIVE_OK && result != ARCHIVE_EOF) fail();
}

size_t LibarchiveStream::read(char* out, size_t size) {
  if (ended_) return 0;
  const la_ssize_t got = archive_read_data(reader_, out, size);
  if (got < 0) fail();
  ended_ = got == 0;
  return static_cast<size_t>(got);
}

/// Damaged data has no errno; what went wrong with the input is told as it was.
void LibarchiveStream::fail() {
  if (input_error_) throw *input_error_;
  const char* text = archive_error_string(reader_);
  throw Error("decompress archive", 0, text != nullptr ? text : "corrupt data");
}

long LibarchiveStream::read_callback(::archive* reader, void* data, const void** out) {
  auto& self = *static_cast<LibarchiveStream*>(data);
  try {
    *out = self.buffer_.data();
    return static_cast<long>(self.input_.read(self.buffer_.data(), self.buffer_.size()));
  } catch (const Error& error) {
    self.input_error_ = error;
    archive_set_error(reader, error.error(), "%s", error.what());
    return -1;
  }
}

}  // namespace gantry::archive
