#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "isolation/id_maps.h"

namespace gantry::shim {

/// shim.json: what the shim needs to know beyond the OCI spec. docs/shim-protocol.md says what each means.
struct ShimConfig {
  std::string id;
  std::string state_directory;
  struct {
    /// Either `path`, or an overlay.
    std::string path;
    std::vector<std::string> lower;
    std::string upper, work;
    /// Nobody waits for what is written to `upper` to be on the disk.
    bool is_volatile = false;
    /// How to show the ids of an overlay's files; empty for as they are.
    IdMaps shown;
  } rootfs;
  std::string cgroup_path;
  struct {
    /// False for the driver "none".
    bool enabled = false;
    std::string path;
    int64_t max_size = -1;
    int max_files = 1;
  } log;
  struct {
    bool open = false;
    bool once = false;
  } input;
  /// The container is killed when nobody holds a control connection any more.
  bool bound = false;
  std::string seccomp_filter;
  /// One for each socket that was handed over: its protocol, and where to forward to.
  nlohmann::json ports = nlohmann::json::array();
  struct {
    /// Empty for Gantry's own isolation.
    std::string path;
    std::vector<std::string> arguments;
  } runtime;
};

/// @throws Error or nlohmann::json::exception naming what is missing
ShimConfig parse_shim_config(const nlohmann::json& document);

/// Reads a JSON file that the daemon wrote. @throws Error
nlohmann::json read_json_file(const std::string& path);

}  // namespace gantry::shim
