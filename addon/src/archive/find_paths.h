#pragma once

#include <string>
#include <vector>

#include "archive/root.h"

namespace gantry::archive {

/// The paths of a root that a pattern (path_pattern.h) matches, sorted. Links on the way are followed where the pattern
/// names them, but not where a wildcard stands for them. Nothing when there is none.
std::vector<std::string> find_paths(const Root& root, const std::string& pattern);

}  // namespace gantry::archive
