#pragma once

#include <string>

#include "archive/root.h"

namespace gantry::archive {

/// The absolute path, seen from the root, that `path` leads to. Components that do not exist stay as they are. Only for
/// showing and comparing: what opens files goes through Root::open().
/// @param follow_last whether a link as the last component is followed
/// @throws Error (ELOOP)
std::string resolve_in_root(const Root& root, const std::string& path, bool follow_last);

}  // namespace gantry::archive
