#pragma once

#include <cstdint>
#include <string>

namespace gantry::archive {

/// Sets the times of everything below a directory, and of itself, that was changed later than `latest` (seconds since
/// the epoch) to that.
void clamp_times(const std::string& directory, int64_t latest);

}  // namespace gantry::archive
