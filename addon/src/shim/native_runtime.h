#pragma once

#include "isolation/unique_fd.h"
#include "shim/container_runtime.h"

namespace gantry::shim {

/// Gantry's own isolation.
class NativeRuntime final : public ContainerRuntime {
 public:
  explicit NativeRuntime(const ShimConfig& config) : config_(config) {}
  ~NativeRuntime() override { remove(); }
  void prepare() override;

  std::unique_ptr<ContainerProcess> create(nlohmann::json spec, const Stdio& stdio, bool start_at_once) override;
  std::unique_ptr<ContainerProcess> exec(nlohmann::json process, const ContainerProcess& init,
                                         const Stdio& stdio) override;
  void remove() noexcept override;

 private:
  const ShimConfig& config_;
  bool has_cgroup_ = false;
  /// Held until the shim ends: whoever lets go of an overlay last waits for the disk, and that must not be the
  /// container, whose exit others wait for.
  UniqueFd root_;
};

}  // namespace gantry::shim
