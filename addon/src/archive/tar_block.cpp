#include "archive/tar_block.h"

#include <string>

#include "archive/pax.h"

namespace gantry::archive {
namespace {

constexpr size_t checksum_offset = 148;
constexpr size_t checksum_size = 8;

int64_t parse_base256(std::string_view field, std::string_view what) {
  // Two's complement, big endian; the top bit of the first byte is only the marker.
  const bool negative = (field[0] & 0x40) != 0;
  uint64_t value = negative ? UINT64_MAX : 0;
  for (size_t i = 0; i < field.size(); ++i) {
    auto byte = static_cast<uint8_t>(field[i]);
    if (i == 0) byte = negative ? byte | 0x80 : byte & 0x7f;
    const auto top = static_cast<uint8_t>(value >> 56);
    if (top != (negative ? 0xff : 0)) throw_malformed(what);
    value = value << 8 | byte;
  }
  const auto result = static_cast<int64_t>(value);
  if ((result < 0) != negative) throw_malformed(what);
  return result;
}

template <typename Byte>
int64_t sum(std::string_view header) {
  int64_t total = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool own = i >= checksum_offset && i < checksum_offset + checksum_size;
    total += own ? ' ' : static_cast<Byte>(header[i]);
  }
  return total;
}

}  // namespace

int64_t parse_number(std::string_view field, std::string_view what) {
  if ((field[0] & 0x80) != 0) return parse_base256(field, what);
  constexpr std::string_view blank(" \0", 2);
  const size_t first = field.find_first_not_of(blank);
  if (first == std::string_view::npos) return 0;
  field = field.substr(first, field.find_last_not_of(blank) - first + 1);
  uint64_t value = 0;
  for (const char digit : field) {
    if (digit < '0' || digit > '7' || value > (UINT64_MAX >> 4)) throw_malformed(what);
    value = value * 8 + static_cast<uint64_t>(digit - '0');
  }
  return static_cast<int64_t>(value);
}

int64_t parse_size(std::string_view field, std::string_view what) {
  const int64_t value = parse_number(field, what);
  if (value < 0) throw_malformed(what);
  return value;
}

std::string_view parse_text(std::string_view field) { return field.substr(0, field.find('\0')); }

int64_t checksum(std::string_view header) { return sum<uint8_t>(header); }

bool checksum_matches(std::string_view header) {
  const int64_t stated = parse_number(header.substr(checksum_offset, checksum_size), "checksum");
  return stated == sum<uint8_t>(header) || stated == sum<int8_t>(header);
}

}  // namespace gantry::archive
