#pragma once

#include <string>
#include <vector>

#include "isolation/container.h"

namespace gantry::shim {

/// One call of an external OCI runtime.
struct RuntimeCommand {
  /// The program and its arguments.
  std::vector<std::string> arguments;
  /// Descriptors 0, 1 and 2; /dev/null and shim.log where -1.
  Stdio stdio;
  /// A detached mount that the runtime, and nobody else, sees at `mount_point`; -1 for none.
  int root_mount = -1;
  std::string mount_point;
};

/// Runs it to its end. @returns its exit status, 128 + signal for a signal
/// @throws Error, also when it does not end within two minutes
int run(const RuntimeCommand& command);

}  // namespace gantry::shim
