#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <string>

#include "isolation/unique_fd.h"

namespace gantry {

/// Paths of a container are hostile: its image or a volume may hold any symbolic link. The functions here let the
/// kernel resolve them with the container's root as "/" and never through the links of /proc.
/// `root` is a directory descriptor, `path` is taken from it whether or not it starts with a slash.

/// Opens `path`, or returns an empty descriptor (with errno set) when it cannot be opened.
UniqueFd try_open_in_root(int root, const std::string& path, int flags = O_PATH);
/// @throws Error
UniqueFd open_in_root(int root, const std::string& path, int flags = O_PATH);
/// Opens a directory after creating what is missing, with the targets of dangling links. O_PATH. @throws Error
UniqueFd make_directory_in_root(int root, const std::string& path, mode_t mode = 0755);
/// Opens what a mount is to cover; creates a directory or an empty file when there is nothing. O_PATH. @throws Error
UniqueFd make_mount_point(int root, const std::string& path, bool directory);

/// "/a/b" split to "/a" and "b"; trailing slashes are ignored.
std::string parent_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace gantry
