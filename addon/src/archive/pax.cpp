#include "archive/pax.h"

#include <charconv>

#include "isolation/error.h"

namespace gantry::archive {

void throw_malformed(std::string_view what) {
  throw Error("read archive", 0, std::string("invalid tar header: ").append(what));
}

int64_t parse_decimal(std::string_view text, std::string_view what, bool signed_value) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || (value < 0 && !signed_value)) throw_malformed(what);
  return value;
}

PaxRecords parse_pax(std::string_view body) {
  PaxRecords records;
  while (!body.empty()) {
    const size_t space = body.find(' ');
    if (space == std::string_view::npos || space > 10) throw_malformed("pax record without a length");
    const int64_t length = parse_decimal(body.substr(0, space), "length of a pax record");
    if (length <= static_cast<int64_t>(space) + 2 || static_cast<uint64_t>(length) > body.size()) {
      throw_malformed("length of a pax record");
    }
    std::string_view record = body.substr(space + 1, static_cast<size_t>(length) - space - 1);
    if (record.back() != '\n') throw_malformed("pax record without its end");
    record.remove_suffix(1);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) throw_malformed("pax record without a key");
    records.emplace_back(record.substr(0, equals), record.substr(equals + 1));
    body.remove_prefix(static_cast<size_t>(length));
  }
  return records;
}

std::optional<std::string_view> find_record(const PaxRecords& records, std::string_view key) {
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->first != key) continue;
    if (record->second.empty()) return std::nullopt;
    return record->second;
  }
  return std::nullopt;
}

Time parse_pax_time(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const bool negative = !whole.empty() && whole.front() == '-';
  Time time;
  time.seconds = parse_decimal(whole, "time", true);
  if (dot == std::string_view::npos) return time;
  int32_t scale = 100'000'000;
  for (const char digit : text.substr(dot + 1)) {
    if (digit < '0' || digit > '9') throw_malformed("time");
    time.nanoseconds += (digit - '0') * scale;
    scale /= 10;
  }
  if (negative && time.nanoseconds > 0 && time.seconds > INT64_MIN) {
    time.seconds -= 1;
    time.nanoseconds = 1'000'000'000 - time.nanoseconds;
  }
  return time;
}

std::string format_pax_record(std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;  // space, equals sign, newline
  size_t length = rest + 1;
  // The length counts its own digits.
  while (rest + std::to_string(length).size() != length) length = rest + std::to_string(length).size();
  std::string record = std::to_string(length);
  record.append(" ").append(key).append("=").append(value).append("\n");
  return record;
}

}  // namespace gantry::archive
