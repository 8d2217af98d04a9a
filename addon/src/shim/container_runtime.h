#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "isolation/container.h"
#include "isolation/unique_fd.h"
#include "shim/shim_config.h"

namespace gantry::shim {

/// A process of the container that the shim is the parent of: set up, and waiting or running.
class ContainerProcess {
 public:
  virtual ~ContainerProcess() = default;
  virtual pid_t pid() const noexcept = 0;
  /// Readable when the process has ended.
  virtual int pidfd() const noexcept = 0;
  /// The terminal's master end, if it has one; only once.
  virtual UniqueFd take_terminal() noexcept = 0;
  /// Lets it execute. @throws Error
  virtual void start() = 0;
};

/// What brings the processes of a container into being: Gantry's isolation, or an external OCI runtime.
class ContainerRuntime {
 public:
  /// Removes what `prepare` made, unless `create` and `remove` came after it.
  virtual ~ContainerRuntime() = default;
  /// Makes what does not depend on the spec. @throws Error
  virtual void prepare() {}
  /// @param start_at_once it need not wait for its `start`, which will be called in any case
  /// @throws Error; nothing is left behind then
  virtual std::unique_ptr<ContainerProcess> create(nlohmann::json spec, const Stdio& stdio, bool start_at_once) = 0;
  /// A further process in the container. @throws Error
  virtual std::unique_ptr<ContainerProcess> exec(nlohmann::json process, const ContainerProcess& init,
                                                 const Stdio& stdio) = 0;
  /// Removes what `create` made outside of the processes themselves, which have ended or are killed.
  virtual void remove() noexcept = 0;
  /// True when `remove` works in the bundle, which the daemon removes when it is told of the end.
  virtual bool needs_bundle() const noexcept { return false; }
  /// True when the shim has to reap children that are not its own.
  virtual bool adopts_orphans() const noexcept { return false; }
};

/// The runtime that shim.json asks for.
std::unique_ptr<ContainerRuntime> make_runtime(const ShimConfig& config);

/// Removes the container's cgroup, with what may still run inside.
void remove_cgroup(const std::string& path) noexcept;

}  // namespace gantry::shim
