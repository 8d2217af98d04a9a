#pragma once

#include <cstdint>
#include <string>

namespace gantry {

/// Removes a tree. Follows no link and crosses no mount: a mount point inside is an Error (EBUSY). Absence is fine.
void remove_tree(const std::string& path);

/// Bytes of the files and links below a directory, each inode once, mounts left out.
uint64_t disk_usage(const std::string& path);

}  // namespace gantry
