#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gantry {

/// cpu.weight (1 to 10000) for v1 shares (2 to 262144). Logarithmic, so that the defaults (1024 and 100) meet, as
/// runc and crun do since 2025.
uint64_t cpu_weight_from_shares(uint64_t shares);

/// io.weight (1 to 10000) for a blkio weight (10 to 1000).
uint64_t io_weight_from_blkio_weight(uint64_t weight);

/// memory.swap.max for OCI's `swap`, which is memory and swap together; -1 is unlimited. No value: leave it alone.
/// @param memory the memory limit that goes with it; absent or -1 when there is none
/// @throws Error when they contradict each other
std::optional<std::string> swap_max_from_total(std::optional<int64_t> memory, std::optional<int64_t> total);

/// "max" for a negative limit, otherwise the number.
std::string max_or_number(int64_t limit);

/// The number in a cgroup file; "max" (no limit) and anything unreadable give `otherwise`.
uint64_t number_or(const std::string& text, uint64_t otherwise);

}  // namespace gantry
