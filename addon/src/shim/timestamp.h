#pragma once

#include <cstddef>
#include <ctime>
#include <string>

namespace gantry::shim {

/// Length of "2026-01-31T23:59:59.123456789Z".
constexpr size_t kTimestampLength = 30;

/// The wall clock.
timespec now() noexcept;

/// Writes kTimestampLength characters, RFC 3339 in UTC with nanoseconds, without a terminator, and returns that length.
size_t write_timestamp(const timespec& time, char* text) noexcept;

std::string timestamp(const timespec& time);

}  // namespace gantry::shim
