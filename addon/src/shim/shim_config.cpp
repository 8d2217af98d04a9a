#include "shim/shim_config.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

void read_rootfs(const json& rootfs, ShimConfig& config) {
  config.rootfs.path = rootfs.value("path", "");
  if (!config.rootfs.path.empty()) return;
  config.rootfs.lower = rootfs.at("lower").get<std::vector<std::string>>();
  config.rootfs.upper = rootfs.value("upper", "");
  config.rootfs.work = rootfs.value("work", "");
  config.rootfs.is_volatile = rootfs.value("volatile", false);
  if (auto shown = rootfs.find("shown"); shown != rootfs.end()) config.rootfs.shown = read_id_maps(*shown);
}

void read_log(const json& log, ShimConfig& config) {
  std::string driver = log.at("driver");
  if (driver == "none") return;
  if (driver != "json-file") throw Error("read shim.json", EINVAL, "unknown log driver " + driver);
  config.log.enabled = true;
  config.log.path = log.at("path");
  config.log.max_size = log.value("maxSize", int64_t{-1});
  config.log.max_files = log.value("maxFile", 1);
}

}  // namespace

ShimConfig parse_shim_config(const json& document) {
  ShimConfig config;
  config.id = document.at("id");
  config.state_directory = document.at("stateDirectory");
  config.cgroup_path = document.at("cgroupPath");
  config.bound = document.value("bound", false);
  config.seccomp_filter = document.value("seccompFilter", "");
  if (auto ports = document.find("ports"); ports != document.end()) config.ports = *ports;
  read_rootfs(document.at("rootfs"), config);
  read_log(document.at("log"), config);
  if (auto input = document.find("stdin"); input != document.end()) {
    config.input.open = input->value("open", false);
    config.input.once = input->value("once", false);
  }
  if (auto runtime = document.find("runtime"); runtime != document.end() && !runtime->is_null()) {
    config.runtime.path = runtime->at("path");
    config.runtime.arguments = runtime->value("args", std::vector<std::string>{});
  }
  return config;
}

json read_json_file(const std::string& path) {
  UniqueFd file(check(open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  std::string text;
  char chunk[16384];
  while (ssize_t length = check(read(file.get(), chunk, sizeof chunk), "read " + path))
    text.append(chunk, static_cast<size_t>(length));
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) throw Error("parse " + path, EINVAL, "not JSON");
  return document;
}

}  // namespace gantry::shim
