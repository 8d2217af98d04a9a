#include "shim/framing.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

constexpr size_t kLengthSize = 4;
/// nlohmann::json copies and prints recursively; an OCI process object is at most five levels deep.
constexpr int kMaxDepth = 64;

uint32_t length_at(const std::string& buffer) noexcept {
  uint32_t length = 0;
  for (size_t byte = 0; byte < kLengthSize; ++byte)
    length |= static_cast<uint32_t>(static_cast<unsigned char>(buffer[byte])) << (8 * byte);
  return length;
}

}  // namespace

std::optional<std::string> MessageReader::next() {
  if (buffer_.size() < kLengthSize) return std::nullopt;
  size_t length = length_at(buffer_);
  if (length > kMaxMessage) throw Error("read message", EMSGSIZE);
  if (buffer_.size() < kLengthSize + length) return std::nullopt;
  std::string message = buffer_.substr(kLengthSize, length);
  buffer_.erase(0, kLengthSize + length);
  if (buffer_.empty()) std::string().swap(buffer_);
  return message;
}

std::string MessageReader::take_rest() {
  std::string rest;
  rest.swap(buffer_);
  return rest;
}

std::string frame(const json& message) {
  std::string text = message.dump(-1, ' ', false, json::error_handler_t::replace);
  auto length = static_cast<uint32_t>(text.size());
  char prefix[kLengthSize];
  for (size_t byte = 0; byte < kLengthSize; ++byte) prefix[byte] = static_cast<char>(length >> (8 * byte) & 0xff);
  text.insert(0, prefix, kLengthSize);
  return text;
}

json parse_message(const std::string& text) {
  bool too_deep = false;
  auto bounded = [&](int depth, json::parse_event_t, json&) {
    if (depth > kMaxDepth) too_deep = true;
    return depth <= kMaxDepth;
  };
  json message = json::parse(text, bounded, false);
  if (message.is_discarded() || too_deep || !message.is_object()) throw Error("parse message", EBADMSG);
  return message;
}

}  // namespace gantry::shim
