#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "isolation/container.h"

namespace gantry::shim {

/// The directory, below our own bundle, that an external runtime gets as its bundle.
constexpr char kRuntimeBundle[] = "oci";

/// Turns what our config.json says beyond the OCI runtime spec into what any runtime understands: users looked up below
/// `root`, the network namespace by a path that leads to the shim's descriptor.
void make_standard_spec(nlohmann::json& spec, int root);
void make_standard_process(nlohmann::json& process, int root);

/// @throws Error
void write_runtime_bundle(const nlohmann::json& spec);
void remove_runtime_bundle() noexcept;
void write_file(const std::string& path, const std::string& text);

/// What the runtime wrote to its log, with the exit code that Docker reports for it.
ProcessError runtime_error(const std::string& runtime, const std::string& subcommand, int status,
                           const std::string& log_path);

}  // namespace gantry::shim
