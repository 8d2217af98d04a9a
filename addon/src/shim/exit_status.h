#pragma once

#include <optional>

namespace gantry::shim {

/// Reaps a child that has ended. @returns its exit code as shells and Docker report it, 128 + signal for a signal;
/// nothing while it still runs. 255 if it was not our child after all
std::optional<int> reap(int pidfd) noexcept;

}  // namespace gantry::shim
