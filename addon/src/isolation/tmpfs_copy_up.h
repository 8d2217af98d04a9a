#pragma once

#include <string>

namespace gantry {

/// Copies what is below the directory `source` into the empty directory `target`: files, directories, links, with
/// owner, mode and times. Anything else (devices, sockets) is left out. Nothing is followed out of either tree.
/// @throws Error
void copy_up(int source, int target, const std::string& name);

}  // namespace gantry
