#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace gantry {

/// Refuses, by name, what a spec asks for and this library does not do. Nothing is ignored silently.
/// @param own CLONE_NEW* flags of the namespaces that are not the host's
void check_spec(const nlohmann::json& spec, uint64_t own);

/// The same for an OCI `process` object.
void check_process(const nlohmann::json& process);

}  // namespace gantry
