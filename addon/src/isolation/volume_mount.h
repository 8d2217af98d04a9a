#pragma once

#include <string>
#include <vector>

namespace gantry {

/// Mounts on the directory of a volume what the volume's options name, in the caller's mount namespace: a directory of
/// the host when `options` has "bind" or "rbind", otherwise a file system of this type. On failure nothing is mounted.
/// @throws Error
void mount_volume(const std::string& type, const std::string& device, const std::vector<std::string>& options,
                  const std::string& target);

enum class Beneath { empty_directory, filled_directory, other };

/// What `subpath` leads to inside of the directory `path`. @throws Error with Docker's words when to nothing, or
/// outside
Beneath look_beneath(const std::string& path, const std::string& subpath);

/// Whether something is mounted on `path` itself. False when there is nothing at that path. @throws Error
bool is_mount_point(const std::string& path);

/// Takes off everything that is mounted on `path`; nothing there is fine. What still uses it keeps it. @throws Error
void unmount_volume(const std::string& path);

}  // namespace gantry
