#pragma once

#include <nlohmann/json_fwd.hpp>

namespace gantry {

/// Asks AppArmor (`process.apparmorProfile`) to confine the program that this process executes next.
/// @throws Error naming the profile where the host has no AppArmor, or a `process.selinuxLabel`
void set_security_labels(const nlohmann::json& process);

}  // namespace gantry
