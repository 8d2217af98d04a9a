#include "dns/name.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstdio>

#include "dns/protocol.h"

namespace gantry::dns {
namespace {

constexpr unsigned char kPointer = 0xc0;
constexpr std::string_view kIpv4Reverse = ".in-addr.arpa";
constexpr std::string_view kIpv6Reverse = ".ip6.arpa";

void append_label_byte(unsigned char byte, std::string& text) {
  if (byte >= 'A' && byte <= 'Z') {
    text += static_cast<char>(byte - 'A' + 'a');
  } else if (byte <= ' ' || byte == 0x7f || byte == '.' || byte == '\\') {
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\%03u", byte);
    text += escaped;
  } else {
    text += static_cast<char>(byte);
  }
}

bool ends_with(std::string_view text, std::string_view end) noexcept {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

/// Four decimal numbers, the last first.
std::optional<std::string> reversed_ipv4(std::string_view numbers) {
  std::array<unsigned, 4> bytes{};
  for (size_t index = bytes.size(); index-- > 0;) {
    size_t length = numbers.find('.');
    bool last = index == 0;
    if (last != (length == std::string_view::npos)) return std::nullopt;
    std::string_view number = numbers.substr(0, length);
    if (number.empty() || number.size() > 3 || (number.size() > 1 && number[0] == '0')) return std::nullopt;
    for (char digit : number) {
      if (digit < '0' || digit > '9') return std::nullopt;
      bytes[index] = bytes[index] * 10 + static_cast<unsigned>(digit - '0');
    }
    if (bytes[index] > 255) return std::nullopt;
    if (!last) numbers.remove_prefix(length + 1);
  }
  char text[INET_ADDRSTRLEN];
  std::snprintf(text, sizeof text, "%u.%u.%u.%u", bytes[0] & 255, bytes[1] & 255, bytes[2] & 255, bytes[3] & 255);
  return text;
}

int hexadecimal(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/// 32 hexadecimal digits, the last first.
std::optional<std::string> reversed_ipv6(std::string_view digits) {
  constexpr size_t kDigits = 32;
  if (digits.size() != 2 * kDigits - 1) return std::nullopt;
  in6_addr address{};
  for (size_t index = 0; index < kDigits; ++index) {
    int value = hexadecimal(digits[2 * index]);
    if (value < 0 || (index + 1 < kDigits && digits[2 * index + 1] != '.')) return std::nullopt;
    uint8_t& byte = address.s6_addr[15 - index / 2];
    byte = static_cast<uint8_t>(byte | value << (index % 2 ? 4 : 0));
  }
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, &address, text, sizeof text);
}

}  // namespace

std::optional<std::string> read_name(std::string_view message, size_t& at) {
  std::string text;
  for (size_t start = at; at < message.size();) {
    auto length = static_cast<unsigned char>(message[at++]);
    if (at - start + length > kMaxNameSize || length > kMaxLabelSize || length > message.size() - at) break;
    if (length == 0) return text;
    if (!text.empty()) text += '.';
    for (char byte : message.substr(at, length)) append_label_byte(static_cast<unsigned char>(byte), text);
    at += length;
  }
  return std::nullopt;
}

bool skip_name(std::string_view message, size_t& at) noexcept {
  for (size_t start = at; at < message.size() && at - start < kMaxNameSize;) {
    auto length = static_cast<unsigned char>(message[at++]);
    if (length == 0) return true;
    if ((length & kPointer) == kPointer) return at++ < message.size();
    if (length > kMaxLabelSize || length > message.size() - at) return false;
    at += length;
  }
  return false;
}

bool append_name(std::string_view text, std::string& out) {
  const size_t start = out.size();
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  while (!text.empty()) {
    std::string_view label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > kMaxLabelSize) {
      out.resize(start);
      return false;
    }
    out += static_cast<char>(label.size());
    out += label;
    text.remove_prefix(std::min(label.size() + 1, text.size()));
  }
  out += '\0';
  if (out.size() - start <= kMaxNameSize) return true;
  out.resize(start);
  return false;
}

std::optional<std::string> reversed_address(std::string_view name) {
  if (ends_with(name, kIpv4Reverse)) return reversed_ipv4(name.substr(0, name.size() - kIpv4Reverse.size()));
  if (ends_with(name, kIpv6Reverse)) return reversed_ipv6(name.substr(0, name.size() - kIpv6Reverse.size()));
  return std::nullopt;
}

}  // namespace gantry::dns
