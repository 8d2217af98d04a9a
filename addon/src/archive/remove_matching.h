#pragma once

#include <string>
#include <vector>

namespace gantry::archive {

/// Removes what a list of patterns (path_pattern.h) leaves out of a directory. Follows no link. A directory that is
/// left out stays as far as something below it is taken back.
void remove_matching(const std::string& directory, const std::vector<std::string>& patterns);

}  // namespace gantry::archive
