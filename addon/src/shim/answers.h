#pragma once

#include <exception>
#include <nlohmann/json_fwd.hpp>

namespace gantry::shim {

/// The `error` of an answer: operation, errno, message, exitCode.
nlohmann::json describe_error(const std::exception& error);

}  // namespace gantry::shim
