#pragma once

#include "shim/container_runtime.h"

namespace gantry::shim {

/// Another OCI runtime (crun, runc, runsc), driven by its command line. Works in the bundle, the working directory.
class ExternalRuntime final : public ContainerRuntime {
 public:
  explicit ExternalRuntime(const ShimConfig& config);

  std::unique_ptr<ContainerProcess> create(nlohmann::json spec, const Stdio& stdio, bool start_at_once) override;
  std::unique_ptr<ContainerProcess> exec(nlohmann::json process, const ContainerProcess& init,
                                         const Stdio& stdio) override;
  void remove() noexcept override;
  bool needs_bundle() const noexcept override { return true; }
  bool adopts_orphans() const noexcept override { return true; }

  /// `<runtime> start`. @throws Error
  void start();

 private:
  /// Runs a subcommand with arguments. @throws ProcessError with the runtime's own words
  void call(const char* subcommand, std::vector<std::string> arguments, const Stdio& stdio, int root_mount = -1);
  std::unique_ptr<ContainerProcess> adopt_process(bool is_init, UniqueFd terminal);

  const ShimConfig& config_;
  std::string bundle_;
};

}  // namespace gantry::shim
