#pragma once

#include <string>

namespace gantry::shim {

/// Settles what the shim inherits: signals, umask, descriptors, its rank with the OOM killer.
/// @param first_unknown every descriptor from here on is closed
void settle_environment(unsigned first_unknown);

/// Shows in the list of processes which container a shim is for: `--bundle DIR` in place of an argument.
/// @param argument of main(), where it lies in memory; as long as what replaces it, or nothing happens
void show_bundle(char* argument, const std::string& bundle) noexcept;

/// Gives back to the kernel what the heap and the executable's pages hold without present need.
void release_unused_memory() noexcept;

}  // namespace gantry::shim
