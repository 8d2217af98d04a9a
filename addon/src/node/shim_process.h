#pragma once

#include <sys/types.h>

#include <string>

#include "isolation/unique_fd.h"

namespace gantry {

/// A copy of an executable that nobody can change any more, not even root: what runs from it cannot be overwritten
/// through /proc/<pid>/exe by a container it enters.
UniqueFd copy_to_sealed_memory(const std::string& path);

struct SpawnedShim {
  pid_t pid = -1;
  /// Non-blocking, close-on-exec.
  UniqueFd control;
};

/// Starts a shim, which then waits for its assignment (docs/shim-protocol.md). The memory of the caller is shared until
/// the execve, not copied, so the size of the daemon does not matter.
/// @param bundle_length of the path of its bundle, for which there is room among its arguments then @throws Error
SpawnedShim spawn_shim(int executable, size_t bundle_length);

/// Collects a child that has ended. One that still runs, or is none of ours, is left alone. @return whether it did
bool reap_child(pid_t pid);

}  // namespace gantry
