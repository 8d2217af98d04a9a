#pragma once

#include <string>
#include <vector>

namespace gantry::archive {

enum class ChangeKind { modified = 0, added = 1, deleted = 2 };

struct Change {
  std::string path;
  ChangeKind kind;
};

/// What the upper directory of an overlay changes in its lower ones (topmost first), as `docker diff` lists it: sorted;
/// a directory with changes below it counts as modified; of a deleted tree only the top. What was only copied up and is
/// still the same is no change.
/// @param exclude paths left out, with all below them
std::vector<Change> list_changes(const std::vector<std::string>& lower, const std::string& upper,
                                 const std::vector<std::string>& exclude);

}  // namespace gantry::archive
