#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "archive/tar_entry.h"

namespace gantry::archive {

/// The records of a pax extended header in their order.
using PaxRecords = std::vector<std::pair<std::string, std::string>>;

/// @throws Error on a malformed record
PaxRecords parse_pax(std::string_view body);

/// The value of a record, the last one given; nothing if it is absent or empty (which deletes it).
std::optional<std::string_view> find_record(const PaxRecords& records, std::string_view key);

/// A decimal number; a sign only where `signed_value` allows it.
int64_t parse_decimal(std::string_view text, std::string_view what, bool signed_value = false);

/// Seconds with an optional fraction, "-1.5".
Time parse_pax_time(std::string_view text);

/// One record with its own length in front: "30 mtime=1350244992.023960108\n".
std::string format_pax_record(std::string_view key, std::string_view value);

/// The Error for an archive that is not what it says.
[[noreturn]] void throw_malformed(std::string_view what);

}  // namespace gantry::archive
