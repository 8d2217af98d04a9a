#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace gantry::shim {

/// The longest message accepted.
constexpr size_t kMaxMessage = 16 * 1024 * 1024;

/// Collects the bytes of a connection into messages: a 32-bit little-endian length and that many bytes of JSON.
class MessageReader {
 public:
  void feed(const char* data, size_t length) { buffer_.append(data, length); }
  /// The next whole message. @throws Error if the peer announces one that is too long
  std::optional<std::string> next();
  /// Takes what has been fed and not been read as a message.
  std::string take_rest();

 private:
  std::string buffer_;
};

/// Puts the length in front of a JSON text.
std::string frame(const nlohmann::json& message);

/// Parses a message from a peer that is not trusted: bounded depth, an object at the top. @throws Error
nlohmann::json parse_message(const std::string& text);

}  // namespace gantry::shim
