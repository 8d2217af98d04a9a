#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dns/protocol.h"

namespace gantry::dns {

/// What a client asks, as far as it could be read.
struct Query {
  uint16_t id = 0;
  uint16_t flags = 0;
  /// Lower-case text without the final dot.
  std::string name;
  uint16_t type = 0;
  uint16_t qclass = 0;
  /// The bytes of the question within the message, for the answer to repeat; empty while it has not been read.
  std::string_view question;
  bool edns = false;
  uint8_t edns_version = 0;
  bool dnssec_ok = false;
  /// How much the client takes over UDP.
  size_t udp_size = kMinUdpSize;
};

enum class Reading {
  kQuery,
  /// Not worth an answer: too short for a header, or itself an answer.
  kDrop,
  /// To be answered with the code of that name.
  kFormatError,
  kNotImplemented,
  kBadVersion,
};

/// Reads a whole message. Nothing may follow its records.
Reading read_query(std::string_view message, Query& query);

/// Moves `at` behind a resource record. @returns false if the message ends before
bool skip_record(std::string_view message, size_t& at) noexcept;

}  // namespace gantry::dns
