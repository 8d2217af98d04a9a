#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>

namespace gantry {

/// Sets `process.rlimits` of a waiting process from outside: no limit then gets in the way of its own preparations, and
/// raising one needs the privileges of the host, which a user namespace has not. @throws Error naming the limit
void set_rlimits(pid_t pid, const nlohmann::json& rlimits);

}  // namespace gantry
