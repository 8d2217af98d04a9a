#pragma once

#include <string>

namespace gantry {

/// Tells ext4 that the directories which are made in `path` have nothing to do with each other, so that it puts each
/// into a block group of its own. Otherwise all share one, and as ext4 does not use an inode again for some seconds,
/// whoever makes files there looks through all that were removed just before. Other file systems have no such flag and
/// no such trouble. @throws Error
void spread_subdirectories(const std::string& path);

}  // namespace gantry
