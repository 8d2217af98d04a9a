#include "dns/relay.h"

#include <algorithm>

#include "dns/query.h"

namespace gantry::dns {
namespace {

char lower(char byte) noexcept { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte; }

/// Names are equal in any case; type and class are numbers.
bool same_question(std::string_view one, std::string_view other) noexcept {
  constexpr size_t kNumbers = 4;
  if (one.size() != other.size() || one.size() < kNumbers) return false;
  const size_t name = one.size() - kNumbers;
  return one.substr(name) == other.substr(name) &&
         std::equal(one.begin(), one.end() - kNumbers, other.begin(),
                    [](char left, char right) { return lower(left) == lower(right); });
}

/// An answer that was cut off is taken as far as it goes.
bool well_formed(std::string_view reply, size_t at) noexcept {
  const char* header = reply.data();
  int records = read16(header + 6) + read16(header + 8) + read16(header + 10);
  for (int index = 0; index < records; ++index) {
    if (!skip_record(reply, at)) return (read16(header + 2) & kTruncated) != 0;
  }
  return true;
}

}  // namespace

bool answers(std::string_view reply, uint16_t id, std::string_view question) noexcept {
  if (reply.size() < kHeaderSize || read16(reply.data()) != id) return false;
  uint16_t flags = read16(reply.data() + 2);
  if ((flags & kResponse) == 0 || (flags & kOpcodeMask) != 0) return false;
  uint16_t questions = read16(reply.data() + 4);
  if (questions == 0) {
    Rcode code = reply_code(reply);
    return code != Rcode::kNoError && code != Rcode::kNameError && reply.size() == kHeaderSize;
  }
  return questions == 1 && same_question(reply.substr(kHeaderSize, question.size()), question) &&
         well_formed(reply, kHeaderSize + question.size());
}

Rcode reply_code(std::string_view reply) noexcept { return static_cast<Rcode>(read16(reply.data() + 2) & kRcodeMask); }

}  // namespace gantry::dns
