#pragma once

#include <memory>
#include <string_view>

#include "archive/byte_stream.h"

namespace gantry::archive {

enum class Compression { none, gzip, bzip2, xz, zstd };

/// How many bytes detect_compression() wants to see.
constexpr size_t magic_size = 6;

/// What the first bytes of a stream say about its compression.
Compression detect_compression(std::string_view start);

/// "gzip", as daemon/images/compression.ts names it.
const char* name_of(Compression compression);

/// The uncompressed bytes of a stream, which has to outlive the result. Not for Compression::none.
/// Damaged data is an Error without an errno.
std::unique_ptr<ByteStream> decompress(ByteStream& input, Compression compression);

}  // namespace gantry::archive
