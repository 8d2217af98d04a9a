#include "dns/query.h"

#include <algorithm>

#include "dns/name.h"

namespace gantry::dns {
namespace {

/// Type, class, TTL and length of the data.
constexpr size_t kRecordTail = 10;
constexpr uint16_t kDnssecOk = 0x8000;

bool read_question(std::string_view message, size_t& at, Query& query) {
  const size_t start = at;
  auto name = read_name(message, at);
  if (!name || message.size() - at < 4) return false;
  query.name = std::move(*name);
  query.type = read16(message.data() + at);
  query.qclass = read16(message.data() + at + 2);
  at += 4;
  query.question = message.substr(start, at - start);
  return true;
}

/// The OPT record at `at`, whose name is the root.
void read_options(std::string_view message, size_t at, Query& query) {
  const char* record = message.data() + at + 1;
  query.edns = true;
  query.udp_size = std::max<size_t>(read16(record + 2), kMinUdpSize);
  query.edns_version = static_cast<uint8_t>(record[5]);
  query.dnssec_ok = (read16(record + 6) & kDnssecOk) != 0;
}

/// The records that a query may carry; only OPT means something to us.
bool read_records(std::string_view message, size_t& at, Query& query) {
  const char* header = message.data();
  const int before_additional = read16(header + 6) + read16(header + 8);
  const int records = before_additional + read16(header + 10);
  for (int index = 0; index < records; ++index) {
    const size_t start = at;
    if (!skip_record(message, at)) return false;
    bool root = message[start] == '\0';
    if (!root || read16(message.data() + start + 1) != kTypeOpt) continue;
    if (query.edns || index < before_additional) return false;
    read_options(message, start, query);
  }
  return at == message.size();
}

}  // namespace

bool skip_record(std::string_view message, size_t& at) noexcept {
  if (!skip_name(message, at) || message.size() - at < kRecordTail) return false;
  size_t length = read16(message.data() + at + kRecordTail - 2);
  at += kRecordTail;
  if (message.size() - at < length) return false;
  at += length;
  return true;
}

Reading read_query(std::string_view message, Query& query) {
  if (message.size() < kHeaderSize) return Reading::kDrop;
  query.id = read16(message.data());
  query.flags = read16(message.data() + 2);
  if (query.flags & kResponse) return Reading::kDrop;
  if (query.flags & kOpcodeMask) return Reading::kNotImplemented;
  if (read16(message.data() + 4) != 1) return Reading::kFormatError;
  size_t at = kHeaderSize;
  if (!read_question(message, at, query) || !read_records(message, at, query)) return Reading::kFormatError;
  if (query.edns_version != 0) return Reading::kBadVersion;
  bool transfer = query.type == kTypeAxfr || query.type == kTypeIxfr;
  return query.qclass != kClassInternet || transfer ? Reading::kNotImplemented : Reading::kQuery;
}

}  // namespace gantry::dns
