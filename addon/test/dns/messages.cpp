#include "dns/messages.h"

#include <arpa/inet.h>

#include <sstream>
#include <stdexcept>

namespace gantry::test {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  uint8_t byte() {
    if (at_ >= bytes_.size()) throw std::runtime_error("the message ends early");
    return static_cast<uint8_t>(bytes_[at_++]);
  }
  uint16_t number16() {
    int high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  uint32_t number32() {
    uint32_t high = number16();
    return high << 16 | number16();
  }
  std::string data(size_t length) {
    std::string data;
    while (data.size() < length) data += static_cast<char>(byte());
    return data;
  }
  std::string name() {
    std::string name;
    size_t back = 0;
    for (int hops = 0;;) {
      uint8_t length = byte();
      if (length == 0) break;
      if (length >= 0xc0) {
        size_t target = static_cast<size_t>(length & 0x3f) << 8 | byte();
        if (++hops > 5) throw std::runtime_error("pointers in a circle");
        if (back == 0) back = at_;
        at_ = target;
      } else {
        name += (name.empty() ? "" : ".") + data(length);
      }
    }
    if (back != 0) at_ = back;
    return name;
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

std::string wire16(uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }

std::string wire_name(const std::string& name) {
  std::string bytes;
  std::istringstream text(name);
  for (std::string label; std::getline(text, label, '.');) bytes += static_cast<char>(label.size()) + label;
  return bytes + '\0';
}

std::string QueryMessage::bytes() const {
  std::string message = wire16(id) + wire16(flags) + wire16(1) + wire16(0) + wire16(0) + wire16(udp_size ? 1 : 0);
  message += wire_name(name) + wire16(type) + wire16(qclass);
  if (udp_size == 0) return message;
  message += '\0';
  message += wire16(41) + wire16(udp_size);
  message += '\0';
  message += static_cast<char>(edns_version);
  return message + wire16(dnssec_ok ? 0x8000 : 0) + wire16(0);
}

ReplyMessage::ReplyMessage(std::string_view bytes) {
  Reader reader(bytes);
  id = reader.number16();
  flags = reader.number16();
  questions = reader.number16();
  uint16_t answer_count = reader.number16();
  uint16_t authorities = reader.number16();
  uint16_t additional = reader.number16();
  if (questions > 1 || authorities != 0) throw std::runtime_error("unexpected counts");
  if (questions == 1) {
    question = reader.name();
    reader.number32();
  }
  for (int index = 0; index < answer_count + additional; ++index) {
    Record record{reader.name(), reader.number16(), reader.number16(), reader.number32(), {}};
    size_t length = reader.number16();
    if (record.type == 12) {
      record.data = reader.name();
    } else {
      record.data = reader.data(length);
    }
    if (record.type != 41) {
      answers.push_back(record);
      continue;
    }
    edns = true;
    extended_code = static_cast<int>(record.ttl >> 24);
    edns_version = record.ttl >> 16 & 0xff;
    dnssec_ok = (record.ttl & 0x8000) != 0;
  }
  if (!reader.at_end()) throw std::runtime_error("something follows the message");
}

std::vector<std::string> ReplyMessage::texts() const {
  std::vector<std::string> texts;
  for (const Record& record : answers) {
    char text[INET6_ADDRSTRLEN] = "";
    if (record.type == 1) inet_ntop(AF_INET, record.data.data(), text, sizeof text);
    if (record.type == 28) inet_ntop(AF_INET6, record.data.data(), text, sizeof text);
    texts.push_back(record.type == 12 ? record.data : text);
  }
  return texts;
}

std::string address_reply(std::string_view query, const std::string& address) {
  std::string reply(query.substr(0, 12));
  reply[2] = static_cast<char>(0x81);
  reply[3] = static_cast<char>(0x80);
  reply[7] = 1;
  reply[11] = 0;
  size_t end = query.find('\0', 12) + 5;
  reply += query.substr(12, end - 12);
  char bytes[4];
  inet_pton(AF_INET, address.c_str(), bytes);
  reply += "\xc0\x0c" + wire16(1) + wire16(1) + wire16(0) + wire16(30) + wire16(4);
  return reply.append(bytes, sizeof bytes);
}

}  // namespace gantry::test
