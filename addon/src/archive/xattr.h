#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gantry::archive {

using Xattrs = std::vector<std::pair<std::string, std::string>>;

constexpr char opaque_xattr[] = "trusted.overlay.opaque";

/// The extended attributes that belong in an archive: user.* and security.capability.
/// Takes O_PATH descriptors too. File systems without attributes have none.
/// @param root who is root to the reader: file capabilities that hold for it are given as those of any root
Xattrs read_xattrs(int fd, uint32_t root = 0);

/// Whether the object has this attribute; its value goes to `value` when given.
bool has_xattr(int fd, const char* name, std::string* value = nullptr);

/// Sets the attributes an archive may carry; overlayfs's own and those of security modules are dropped, as are those
/// the file system does not take. Takes O_PATH descriptors too.
/// @param root who is root to those who will use the file: its capabilities shall hold for it
void write_xattrs(int fd, const Xattrs& xattrs, uint32_t root = 0);

/// Marks a directory as hiding what lies below it in other layers.
void set_opaque(int fd);

}  // namespace gantry::archive
