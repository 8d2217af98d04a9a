#pragma once

#include <string>
#include <vector>

namespace gantry {

/// Compiles a seccomp profile to a BPF program and puts it, atomically, at `path` (mode 0600).
///
/// `profile` is JSON: Docker's format (with archMap, includes and excludes) or `linux.seccomp` of the OCI spec.
/// `capabilities` ("CAP_SYS_ADMIN") decide which of its rules apply. System calls that the installed libseccomp does
/// not know are skipped. Those newer than any that the profile names answer ENOSYS, not the default error, so that C
/// libraries fall back to older ones.
/// @throws Error that names the field
void compile_seccomp(const std::string& profile, const std::vector<std::string>& capabilities, const std::string& path);

}  // namespace gantry
