#include "dns/reply.h"

#include <algorithm>

namespace gantry::dns {
namespace {

/// As long as Docker says that its answers hold.
constexpr char kTimeToLive[] = {0, 0, 600 >> 8, static_cast<char>(600 & 0xff)};
/// A pointer to the name in the question.
constexpr char kQuestionName[] = {static_cast<char>(0xc0), kHeaderSize};
constexpr size_t kRecordHead = 12;
constexpr size_t kOptionsSize = 11;
/// What we take over UDP ourselves: no fragments on any usual network.
constexpr uint16_t kOwnUdpSize = 1232;
constexpr uint8_t kDnssecOk = 0x80;

void append16(std::string& out, uint16_t value) {
  char bytes[2];
  write16(bytes, value);
  out.append(bytes, sizeof bytes);
}

}  // namespace

Reply::Reply(const Query& query, size_t limit) : query_(query), message_(kHeaderSize, '\0') {
  message_ += query.question;
  size_t reserved = message_.size() + (query.edns ? kOptionsSize : 0);
  room_ = std::max(limit, reserved) - reserved;
}

void Reply::add(uint16_t type, std::string_view data) {
  const size_t size = kRecordHead + data.size();
  if (truncated_ || size > room_) return truncate();
  room_ -= size;
  message_.append(kQuestionName, sizeof kQuestionName);
  append16(message_, type);
  append16(message_, kClassInternet);
  message_.append(kTimeToLive, sizeof kTimeToLive);
  append16(message_, static_cast<uint16_t>(data.size()));
  message_ += data;
  ++answers_;
}

std::string Reply::finish(Rcode code) {
  auto full_code = static_cast<uint16_t>(code);
  uint16_t kept = query_.flags & (kOpcodeMask | kRecursionDesired | kCheckingDisabled);
  char* header = message_.data();
  write16(header, query_.id);
  write16(header + 2, static_cast<uint16_t>(kResponse | kept | kRecursionAvailable | (truncated_ ? kTruncated : 0) |
                                            (full_code & kRcodeMask)));
  write16(header + 4, query_.question.empty() ? 0 : 1);
  write16(header + 6, answers_);
  write16(header + 10, query_.edns ? 1 : 0);
  if (query_.edns) {
    const char options[kOptionsSize] = {0,
                                        0,
                                        kTypeOpt,
                                        kOwnUdpSize >> 8,
                                        static_cast<char>(kOwnUdpSize & 0xff),
                                        static_cast<char>(full_code >> 4),
                                        0,
                                        static_cast<char>(query_.dnssec_ok ? kDnssecOk : 0),
                                        0,
                                        0,
                                        0};
    message_.append(options, sizeof options);
  }
  return std::move(message_);
}

std::string empty_reply(const Query& query, Rcode code) { return Reply(query, kMinUdpSize).finish(code); }

std::string truncated_reply(const Query& query) {
  Reply reply(query, kMinUdpSize);
  reply.truncate();
  return reply.finish(Rcode::kNoError);
}

}  // namespace gantry::dns
