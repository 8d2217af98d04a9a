#pragma once

#include <string>
#include <utility>
#include <vector>

#include "isolation/rootfs.h"

namespace gantry {

// Layers come from strangers: a redirect or a metadata-only file in one must not lead to what is outside of it.
inline constexpr std::pair<const char*, const char*> kOverlayOptions[] = {
    {"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"nfs_export", "off"}};

/// The two ways of mount_overlay (rootfs.h), with the same arguments.

/// By a file system context with `lowerdir+`: Linux 6.8 and later. EINVAL where it is unknown.
UniqueFd mount_overlay_by_context(const std::vector<std::string>& lower, const std::string& upper,
                                  const std::string& work, OverlaySync sync);

/// By mount(2) in a mount namespace that ends at once, of which a detached copy remains: every kernel.
UniqueFd mount_overlay_in_namespace(const std::vector<std::string>& lower, const std::string& upper,
                                    const std::string& work, OverlaySync sync);

/// The latter, where the layers are covered by mounts of themselves that map ids as `user_namespace` does.
UniqueFd mount_mapped_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                              OverlaySync sync, int user_namespace);

}  // namespace gantry
