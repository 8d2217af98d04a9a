#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gantry {

/// `process.capabilities` of a spec as bit masks; absent sets are empty.
struct Capabilities {
  uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

/// @throws Error naming a capability that this kernel does not know
Capabilities parse_capabilities(const nlohmann::json& sets);

/// The mask of one capability: "CAP_SYS_ADMIN".
uint64_t capability(const std::string& name);

/// Takes everything else out of the bounding set. Needs CAP_SETPCAP.
void limit_bounding_set(uint64_t bounding);

/// What this process can give away: its permitted set. An engine that is itself confined lacks some capabilities, and
/// "all" of a privileged container are then all that there are.
uint64_t permitted_capabilities();

/// Sets effective, permitted and inheritable, with `extra` on top of the first two.
void set_capabilities(const Capabilities& wanted, uint64_t extra);

/// Raises exactly these ambient capabilities; they must be permitted and inheritable.
void set_ambient(uint64_t ambient);

}  // namespace gantry
