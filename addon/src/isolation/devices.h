#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Fills a new, still detached /dev: the device nodes every container has, `linux.devices` of the spec below /dev, and
/// the usual symbolic links. Nothing of the image is involved yet, so no path can mislead. Needs CAP_MKNOD of the host,
/// so for a user namespace the parent does it, with the ids that those inside are on the host.
/// @throws Error
void populate_dev(int dev, const nlohmann::json& spec, const IdMaps& ids);

/// The same inside the finished root, for a spec that has no tmpfs on /dev, and for devices elsewhere than in /dev.
/// @param populated whether populate_dev was called
void make_devices_in_root(int root, const nlohmann::json& spec, bool populated);

}  // namespace gantry
