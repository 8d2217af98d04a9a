#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry {

/// A copy of an executable that nobody can change any more, not even root: what runs from it cannot be overwritten
/// through /proc/<pid>/exe by a container it enters.
UniqueFd copy_to_sealed_memory(const std::string& path);

struct ShimOptions {
  int executable = -1;
  std::string bundle;
  std::string log;
  /// -1 for none.
  int network_namespace = -1;
  int user_namespace = -1;
  /// Of published ports; they need a network namespace. -1 for one that holds nothing.
  std::vector<int> sockets = {};
};

struct SpawnedShim {
  pid_t pid = -1;
  /// Non-blocking, close-on-exec.
  UniqueFd control;
};

/// Starts a shim as docs/shim-protocol.md describes. The memory of the caller is shared until the execve, not copied,
/// so the size of the daemon does not matter. @throws Error
SpawnedShim spawn_shim(const ShimOptions& options);

/// Collects a child that has ended. One that still runs, or is none of ours, is left alone.
void reap_child(pid_t pid);

}  // namespace gantry
