#pragma once

#include <string>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// A non-blocking unix socket listening on `name` in the working directory, for root only. @throws Error
UniqueFd listen_unix(const std::string& name);

}  // namespace gantry::shim
