#pragma once

#include <string>
#include <vector>

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Whether what is written to an overlay reaches the disk: when asked and at unmount, which writes out the whole file
/// system of the upper directory; or only when the kernel gets to it. The work directory of the latter can be used
/// once.
enum class OverlaySync { ordinary, never };

/// An overlay as a detached mount: visible nowhere, gone when the descriptor is closed and no namespace holds a copy.
/// `lower` is topmost first. With an empty `upper` it is read-only. Uses fsmount with `lowerdir+`; on kernels without
/// it (before 6.8) mounts in a namespace of a short-lived child and takes a detached copy. Any process may call it,
/// threads or not.
/// @param shown how to show the ids of the layers' files (see detached_mount.h, map_ids), for layers that were unpacked
/// for another user namespace; `upper` and `work` must then be in one directory. Takes Linux 5.19.
/// @throws Error
UniqueFd mount_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                       OverlaySync sync = OverlaySync::ordinary, const IdMaps& shown = {});

/// The directory `path` as a detached private mount, with everything mounted below it. @throws Error
UniqueFd mount_directory(const std::string& path);

/// Makes a detached mount the root of this process's own mount namespace and drops the old root with all its mounts.
/// The namespace must not be shared with anyone. @throws Error
void enter_root(int root_mount);

/// What remains to be done to the root once everything in it is in place: `root.readonly` and a shared or unbindable
/// `linux.rootfsPropagation`. `root` is the current one. @throws Error
void seal_root(int root, bool read_only, const std::string& propagation);

}  // namespace gantry
