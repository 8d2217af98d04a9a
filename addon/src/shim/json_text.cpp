#include "shim/json_text.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace gantry::shim {
namespace {

/// True for the bytes that stand for themselves: ASCII without controls, quote and backslash.
constexpr std::array<bool, 256> plain_bytes() {
  std::array<bool, 256> plain{};
  for (size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}
constexpr auto kPlain = plain_bytes();
constexpr char kHex[] = "0123456789abcdef";

char* write_literal(const char* literal, size_t length, char* out) noexcept {
  std::memcpy(out, literal, length);
  return out + length;
}

char* write_ascii(unsigned char byte, char* out) noexcept {
  switch (byte) {
    case '"':
      return write_literal("\\\"", 2, out);
    case '\\':
      return write_literal("\\\\", 2, out);
    case '\n':
      return write_literal("\\n", 2, out);
    case '\r':
      return write_literal("\\r", 2, out);
    case '\t':
      return write_literal("\\t", 2, out);
    default:
      out = write_literal("\\u00", 4, out);
      *out++ = kHex[byte >> 4];
      *out++ = kHex[byte & 15];
      return out;
  }
}

bool continuation(unsigned char byte) noexcept { return (byte & 0xc0) == 0x80; }

bool line_separator(const unsigned char* sequence) noexcept {
  return sequence[0] == 0xe2 && sequence[1] == 0x80 && (sequence[2] == 0xa8 || sequence[2] == 0xa9);
}

}  // namespace

size_t utf8_sequence(const char* text, size_t length) noexcept {
  auto byte = reinterpret_cast<const unsigned char*>(text);
  if (length == 0) return 0;
  if (byte[0] < 0x80) return 1;
  if (byte[0] < 0xc2 || byte[0] > 0xf4) return 0;
  if (length < 2 || !continuation(byte[1])) return 0;
  if (byte[0] < 0xe0) return 2;
  if (length < 3 || !continuation(byte[2])) return 0;
  if (byte[0] < 0xf0) {
    bool overlong = byte[0] == 0xe0 && byte[1] < 0xa0;
    bool surrogate = byte[0] == 0xed && byte[1] > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (length < 4 || !continuation(byte[3])) return 0;
  bool overlong = byte[0] == 0xf0 && byte[1] < 0x90;
  bool beyond = byte[0] == 0xf4 && byte[1] > 0x8f;
  return overlong || beyond ? 0 : 4;
}

char* write_json_text(const char* text, size_t length, char* out) noexcept {
  auto bytes = reinterpret_cast<const unsigned char*>(text);
  for (size_t at = 0; at < length;) {
    size_t run = at;
    while (run < length && kPlain[bytes[run]]) ++run;
    if (run > at) {
      out = write_literal(text + at, run - at, out);
      at = run;
      continue;
    }
    if (bytes[at] < 0x80) {
      out = write_ascii(bytes[at++], out);
      continue;
    }
    size_t sequence = utf8_sequence(text + at, length - at);
    if (sequence == 0) {
      out = write_literal("\\ufffd", 6, out);
      ++at;
    } else if (sequence == 3 && line_separator(bytes + at)) {
      out = write_literal(bytes[at + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6, out);
      at += 3;
    } else {
      out = write_literal(text + at, sequence, out);
      at += sequence;
    }
  }
  return out;
}

}  // namespace gantry::shim
