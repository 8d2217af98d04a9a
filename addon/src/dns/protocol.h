#pragma once

#include <cstddef>
#include <cstdint>

namespace gantry::dns {

constexpr uint16_t kPort = 53;
constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxLabelSize = 63;
constexpr size_t kMaxNameSize = 255;
/// What fits into a UDP message without EDNS.
constexpr size_t kMinUdpSize = 512;
constexpr size_t kMaxTcpSize = 65535;

/// The flags of a header, its second 16 bits.
constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kOpcodeMask = 0x7800;
constexpr uint16_t kTruncated = 0x0200;
constexpr uint16_t kRecursionDesired = 0x0100;
constexpr uint16_t kRecursionAvailable = 0x0080;
constexpr uint16_t kCheckingDisabled = 0x0010;
constexpr uint16_t kRcodeMask = 0x000f;

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypePtr = 12;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kTypeOpt = 41;
constexpr uint16_t kTypeIxfr = 251;
constexpr uint16_t kTypeAxfr = 252;
constexpr uint16_t kTypeAny = 255;

constexpr uint16_t kClassInternet = 1;

/// The upper bits of an extended code (BADVERS) travel in the OPT record.
enum class Rcode : uint16_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,
};

inline uint16_t read16(const char* at) noexcept {
  auto bytes = reinterpret_cast<const unsigned char*>(at);
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

inline void write16(char* at, uint16_t value) noexcept {
  at[0] = static_cast<char>(value >> 8);
  at[1] = static_cast<char>(value & 0xff);
}

}  // namespace gantry::dns
