#pragma once

#include <cstdint>
#include <string_view>

namespace gantry::archive {

constexpr size_t block_size = 512;

/// A numeric field: octal digits, or GNU's base 256 with the top bit of the first byte set.
int64_t parse_number(std::string_view field, std::string_view what);

/// A numeric field that cannot be negative.
int64_t parse_size(std::string_view field, std::string_view what);

/// A text field up to its first NUL.
std::string_view parse_text(std::string_view field);

/// Whether the header's checksum is right, counted over unsigned bytes or, as old programs did, over signed ones.
bool checksum_matches(std::string_view header);

/// The checksum over unsigned bytes, its own field counted as spaces.
int64_t checksum(std::string_view header);

}  // namespace gantry::archive
