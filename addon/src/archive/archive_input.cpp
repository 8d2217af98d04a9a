#include "archive/archive_input.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "archive/compression.h"
#include "isolation/error.h"

namespace gantry::archive {

ArchiveInput::ArchiveInput(int fd, uint64_t limit, ByteCounter consumed) : raw_(fd, std::move(consumed)) {
  std::array<char, magic_size> start;
  const size_t size = read_fully(raw_, start.data(), start.size());
  stream_ = std::make_unique<PrefixedStream>(std::string(start.data(), size), raw_);
  const Compression compression = detect_compression({start.data(), size});
  if (compression != Compression::none) decompressor_ = decompress(*stream_, compression);
  pieces_ = std::make_unique<BufferedPieces>(decompressor_ ? *decompressor_ : *stream_);
  source_ = std::make_unique<ByteSource>(*pieces_, limit);
}

void ArchiveInput::drain(uint64_t max) noexcept {
  std::vector<char> scratch(1 << 16);
  try {
    for (uint64_t done = 0; done < max;) {
      const size_t got = raw_.read(scratch.data(), scratch.size());
      if (got == 0) return;
      done += got;
    }
  } catch (const Error&) {
    // Nobody is interested in it any more.
  }
}

}  // namespace gantry::archive
