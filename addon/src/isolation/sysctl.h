#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gantry {

/// Refuses every sysctl that is not confined to a namespace the container has for itself.
/// @param own CLONE_NEW* flags of the namespaces that are not the host's
/// @throws Error naming the sysctl
void check_sysctls(const nlohmann::json& sysctls, uint64_t own);

/// Whether a sysctl belongs to the network namespace.
bool is_network_sysctl(const std::string& name);

/// Writes one sysctl. `proc` is the root of a procfs that was mounted for the purpose: nobody can have put anything
/// there.
void write_sysctl(int proc, const std::string& name, const std::string& value);

}  // namespace gantry
