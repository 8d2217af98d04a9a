#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>

#include "archive/path_pattern.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

/// An object of a tree that is walked, looked up once: nothing can be swapped between the look at its type and the
/// reading of its content.
struct TreeObject {
  UniqueFd fd;  // O_PATH
  struct stat status;
  std::string name;
  /// Relative to the top of the walk.
  std::string path;
  /// A directory that is left out, but for what an exception below it takes back.
  bool excluded = false;
};

/// Each level of a walk holds descriptors.
constexpr int max_tree_depth = 1024;

/// Visits what is in a directory and not left out, in the order of its names. Sockets are left out always.
void for_each_child(int directory, const std::string& path, const ExcludePatterns& exclude,
                    const std::function<void(TreeObject&)>& visit);

/// The text of a link behind an O_PATH descriptor.
std::string read_link(int fd, const std::string& name);

}  // namespace gantry::archive
