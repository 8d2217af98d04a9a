#pragma once

#include <string>
#include <vector>

namespace gantry::shim {

/// Settles what the shim inherits: signals, umask, descriptors, its rank with the OOM killer.
/// @param first_unknown every descriptor from here on is closed
void settle_environment(unsigned first_unknown);

/// What ps shows for this process from now on: which container a shim is for. Called once.
void show_command_line(const std::vector<std::string>& arguments) noexcept;

/// Gives back to the kernel what the heap and the executable's pages hold without present need.
void release_unused_memory() noexcept;

}  // namespace gantry::shim
