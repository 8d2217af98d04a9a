#pragma once

#include <nlohmann/json_fwd.hpp>

#include "isolation/container.h"
#include "isolation/launch_channel.h"
#include "isolation/rlimits.h"
#include "isolation/seccomp_load.h"
#include "isolation/terminal.h"

namespace gantry {

/// What a process needs to know besides its OCI `process` object.
struct Execution {
  SeccompFilter filter;
  std::vector<ResourceLimit> limits;
  /// Opened already for a container's init, whose /dev/console it is; opened on demand otherwise.
  Terminal terminal;
  /// The root of a cgroup namespace is where the process is when it makes one, so that comes late.
  bool own_cgroup_namespace = false;
  /// pidfd of the parent.
  UniqueFd parent;
};

/// Turns the calling process, which is inside its container already and has its standard streams, into the program of
/// `process`: identity, terminal, capabilities, seccomp. Reports through `channel`, waits there for Permission::start,
/// and executes.
/// @param spec the container's: its `linux.personality`
[[noreturn]] void execute_process(const nlohmann::json& spec, const nlohmann::json& process, Execution& execution,
                                  ChildChannel& channel);

}  // namespace gantry
