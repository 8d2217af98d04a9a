#pragma once

#include <string>
#include <vector>

namespace gantry {

/// Fills `upper` with what every container of an image finds though no image brings it, as a layer above `lower`
/// (topmost first): the places of the usual mounts, /.dockerenv, and /etc/mtab. So a start makes none of them in the
/// container's own layer. `work` is used up. Called on a thread of its own. @throws Error
void make_init_layer(const std::vector<std::string>& lower, const std::string& upper, const std::string& work);

}  // namespace gantry
