#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::test {

/// A query for one name, as a client sends it.
struct QueryMessage {
  std::string name;
  uint16_t type = 1;
  uint16_t id = 0x1234;
  uint16_t flags = 0x0100;
  uint16_t qclass = 1;
  /// 0 for a query without EDNS.
  uint16_t udp_size = 0;
  uint8_t edns_version = 0;
  bool dnssec_ok = false;

  std::string bytes() const;
};

/// An answer taken to pieces, without any of the code under test.
struct ReplyMessage {
  struct Record {
    std::string name;
    uint16_t type, rclass;
    uint32_t ttl;
    std::string data;
  };

  /// @throws std::runtime_error if it is malformed
  explicit ReplyMessage(std::string_view bytes);

  /// The records' data, addresses as text and names with their dots, in the order of the message.
  std::vector<std::string> texts() const;
  int code() const { return (flags & 15) | extended_code << 4; }
  bool truncated() const { return (flags & 0x0200) != 0; }

  uint16_t id, flags;
  uint16_t questions;
  /// As it came, in its own case.
  std::string question;
  std::vector<Record> answers;
  bool edns = false;
  bool dnssec_ok = false;
  int extended_code = 0;
  int edns_version = 0;
};

std::string wire_name(const std::string& name);
std::string wire16(uint16_t value);
/// An answer to `query` with one A record, as a server sends it.
std::string address_reply(std::string_view query, const std::string& address);

}  // namespace gantry::test
