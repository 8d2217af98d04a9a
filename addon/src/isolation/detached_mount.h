#pragma once

#include <string>

#include "isolation/mount_options.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Mounts that are attached nowhere yet: each is a descriptor, and closing it undoes everything.

/// A new file system. `options` gives its parameters and the attributes of the mount.
/// @throws Error with what the kernel says about a parameter
UniqueFd make_filesystem(const std::string& type, const std::string& source, const MountOptions& options);

/// A copy of the mount at `path` (with everything below it when `recursive`).
UniqueFd clone_mount(const std::string& path, bool recursive);
/// A copy of the mount that the descriptor `fd` is on, starting there.
UniqueFd clone_mount(int fd, bool recursive, const std::string& name);

/// Opens (O_PATH) what lies at `subpath` below a directory, whose name is for messages. The kernel resolves the path
/// and lets no link, absolute or with "..", lead out of the directory. @throws Error with Docker's words
UniqueFd open_below(int directory, const std::string& subpath, const std::string& name);

/// A copy of what lies at `subpath` below a directory of an attached mount. @throws Error
UniqueFd clone_below(int directory, const std::string& subpath, bool recursive, const std::string& name);

/// As clone_below, for a detached mount, which is used up. Kernels before 6.15 copy only what is attached, so it is
/// attached for a moment on `place`, a directory in a mount namespace of the caller's own. @throws Error
UniqueFd take_subpath(UniqueFd mount, int place, const std::string& subpath, const std::string& name);

/// Applies attributes and propagation to a mount, attached or not.
void set_mount_options(int mount, const MountOptions& options, const std::string& name);

/// Has a detached mount show the ids of its files by the map of a user namespace: one that is `inside` there on the
/// disk is `outside` here. @throws Error, also where the file system cannot do that
void map_ids(int mount, int user_namespace, bool recursive, const std::string& name);

/// Attaches `mount` on what `target` refers to (any descriptor, O_PATH will do).
void attach_mount(int mount, int target, const std::string& name);

}  // namespace gantry
