#pragma once

#include <string>
#include <vector>

namespace gantry {

/// Covers files with the host's null device and directories with an empty read-only file system, so that they cannot be
/// read. Absent paths are fine.
/// @param null_device a detached mount of a verified null device (see open_null_device)
void mask_paths(int root, const std::vector<std::string>& paths, int null_device);

/// Makes paths read-only, with everything mounted below them. Absent paths are fine.
void protect_paths(int root, const std::vector<std::string>& paths);

}  // namespace gantry
