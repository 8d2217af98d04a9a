#pragma once

#include <string>
#include <string_view>

namespace gantry {

/// Finds what `process.args[0]` names as the calling user in the current root: a path as it is, a plain name in the
/// directories of `search_path` (the PATH of the process itself; without one nothing is found).
/// @throws ProcessError 127 or 126 with the wording of Docker: `exec: "foo": executable file not found in $PATH`
std::string find_command(const std::string& command, std::string_view search_path);

}  // namespace gantry
