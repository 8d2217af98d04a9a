#pragma once

#include <cstddef>

namespace gantry::shim {

/// How much longer a byte can become: "\u0000".
constexpr size_t kJsonExpansion = 6;

/// Writes `length` bytes as the inside of a JSON string to `out`, which must have room for kJsonExpansion times as
/// much. Bytes that are not UTF-8 become \ufffd one by one; U+2028 and U+2029 are escaped, as JavaScript readers want.
/// @returns the end of what was written
char* write_json_text(const char* text, size_t length, char* out) noexcept;

/// The length of the well-formed UTF-8 sequence at `text`, or 0.
size_t utf8_sequence(const char* text, size_t length) noexcept;

}  // namespace gantry::shim
