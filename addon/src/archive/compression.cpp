#include "archive/compression.h"

#include "archive/gzip_stream.h"
#include "archive/libarchive_stream.h"

namespace gantry::archive {
namespace {

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

}  // namespace

Compression detect_compression(std::string_view start) {
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

const char* name_of(Compression compression) {
  switch (compression) {
    case Compression::none:
      return "none";
    case Compression::gzip:
      return "gzip";
    case Compression::bzip2:
      return "bzip2";
    case Compression::xz:
      return "xz";
    case Compression::zstd:
      return "zstd";
  }
  return "";
}

std::unique_ptr<ByteStream> decompress(ByteStream& input, Compression compression) {
  if (compression == Compression::gzip) return std::make_unique<GzipStream>(input);
  return std::make_unique<LibarchiveStream>(input, compression);
}

}  // namespace gantry::archive
