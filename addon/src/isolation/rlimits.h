#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gantry {

struct ResourceLimit {
  std::string name;
  int resource;
  rlimit value;
};

/// Reads `process.rlimits`. @throws Error naming a limit that does not exist
std::vector<ResourceLimit> read_rlimits(const nlohmann::json& rlimits);

/// Raises the hard limits of another process to where it can set these itself. To be done from outside, because a user
/// namespace may not, and while the process is still root: for one of another user it takes CAP_SYS_RESOURCE, which not
/// every root has. @throws Error naming the limit
void raise_hard_limits(pid_t pid, const std::vector<ResourceLimit>& limits);

/// Sets them for the calling process; the last thing before execution, so that none gets in the way of its
/// preparations.
void set_own_rlimits(const std::vector<ResourceLimit>& limits);

}  // namespace gantry
