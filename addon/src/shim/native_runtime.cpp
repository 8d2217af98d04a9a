#include "shim/native_runtime.h"

#include <nlohmann/json.hpp>

#include "isolation/cgroup.h"
#include "isolation/rootfs.h"
#include "shim/diagnostics.h"
#include "shim/external_runtime.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

class NativeProcess final : public ContainerProcess {
 public:
  explicit NativeProcess(Process process) : process_(std::move(process)) {}
  pid_t pid() const noexcept override { return process_.pid(); }
  int pidfd() const noexcept override { return process_.pidfd(); }
  UniqueFd take_terminal() noexcept override { return process_.take_terminal(); }
  void start() override { process_.start(); }

 private:
  Process process_;
};

/// A process must not inherit the shim's protection from the OOM killer.
void default_oom_score(json& process) {
  if (process.is_object() && !process.contains("oomScoreAdj")) process["oomScoreAdj"] = 0;
}

}  // namespace

void NativeRuntime::prepare() {
  has_cgroup_ = true;
  Cgroup(config_.cgroup_path).create();
  const auto& rootfs = config_.rootfs;
  if (rootfs.path.empty())
    root_ = mount_overlay(rootfs.lower, rootfs.upper, rootfs.work,
                          rootfs.is_volatile ? OverlaySync::never : OverlaySync::ordinary, rootfs.shown);
}

std::unique_ptr<ContainerProcess> NativeRuntime::create(json spec, const Stdio& stdio, bool start_at_once) {
  default_oom_score(spec["process"]);
  if (auto section = spec.find("linux"); section != spec.end()) {
    if (auto resources = section->find("resources"); resources != section->end())
      Cgroup(config_.cgroup_path).apply(*resources);
  }
  LaunchOptions options;
  options.cgroup_path = config_.cgroup_path;
  options.seccomp_filter = config_.seccomp_filter;
  options.stdio = stdio;
  options.start_at_once = start_at_once;
  options.root_mount = root_.get();
  if (!root_) spec["root"]["path"] = config_.rootfs.path;
  return std::make_unique<NativeProcess>(create_container(spec, options));
}

std::unique_ptr<ContainerProcess> NativeRuntime::exec(json process, const ContainerProcess& init, const Stdio& stdio) {
  LaunchOptions options;
  options.cgroup_path = config_.cgroup_path;
  options.seccomp_filter = config_.seccomp_filter;
  options.stdio = stdio;
  options.start_at_once = true;
  // Not kept in memory: an exec is rare, and the spec is most of what the shim would hold.
  json spec = read_json_file("config.json");
  default_oom_score(spec["process"]);
  return std::make_unique<NativeProcess>(create_exec(spec, process, init.pid(), init.pidfd(), options));
}

void NativeRuntime::remove() noexcept {
  if (std::exchange(has_cgroup_, false)) remove_cgroup(config_.cgroup_path);
}

std::unique_ptr<ContainerRuntime> make_runtime(const ShimConfig& config) {
  if (config.runtime.path.empty()) return std::make_unique<NativeRuntime>(config);
  return std::make_unique<ExternalRuntime>(config);
}

void remove_cgroup(const std::string& path) noexcept {
  try {
    Cgroup cgroup(path);
    if (!cgroup.processes().empty()) cgroup.kill();
    cgroup.remove();
  } catch (const std::exception& error) {
    diagnose("remove cgroup %s: %s", path.c_str(), error.what());
  }
}

}  // namespace gantry::shim
