#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "isolation/container.h"
#include "isolation/launch_channel.h"
#include "isolation/rlimits.h"

namespace gantry {

struct Process::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  /// Kills and reaps a process that was never started.
  ~State();
  void reap() noexcept;

  pid_t pid = 0;
  UniqueFd pidfd;
  /// Of a container's init; see `hold_mounts`.
  UniqueFd mount_namespace;
  ParentChannel channel;
  UniqueFd terminal;
  bool started = false;
};

/// The parent's side of bringing a process into being. An object launches one process; if it goes away before `finish`,
/// the process is killed and reaped.
class Launcher {
 public:
  /// What the child does, with the channel to its parent and the parent's pidfd. If it returns or throws, the child
  /// ends.
  using Body = std::function<void(ChildChannel& channel, UniqueFd& parent)>;

  /// @param cgroup_path empty for none
  explicit Launcher(const std::string& cgroup_path);

  /// A child in new namespaces (CLONE_NEW*), born in its v2 cgroup.
  void spawn(uint64_t namespaces, const Body& body);

  /// A child in new namespaces (CLONE_NEW*) of what `enter` joins, a user namespace that exists. From one there is no
  /// way back, so an intermediate process does it.
  void spawn_after(const std::function<void()>& enter, uint64_t namespaces, const Body& body);

  /// A child in the namespaces (CLONE_NEW*) of another process. It is born there by way of an intermediate process, so
  /// that nothing in that pid namespace ever sees one of ours with the host's root, or descriptors other than `stdio`.
  void spawn_inside(int pidfd, uint64_t namespaces, const Stdio& stdio, const Body& body);

  pid_t pid() const { return state_->pid; }
  void allow(Permission permission) const { state_->channel.allow(permission); }
  /// Keeps the child's mount namespace for as long as the process object lives. Its end is not told before its
  /// namespaces are taken apart, if it is the last who has them, and mounts take longer than all the rest. One that has
  /// failed has none any more.
  void hold_mounts() const noexcept;
  /// Gives the child, while it prepares itself, what can only be set from outside: its place in the v1 controllers, the
  /// resource limits it may set, its OOM score. Then tells it, and with `start_at_once` also that it may execute.
  void place(const std::vector<ResourceLimit>& limits, const nlohmann::json& oom_score_adj, bool start_at_once) const;
  /// Waits until the child is prepared. @throws Error, ProcessError
  Process finish();

 private:
  using Preparation = std::function<void(ChildChannel& channel, UniqueFd& parent)>;
  void spawn_sibling(const Preparation& prepare, uint64_t namespaces, const Body& body);
  pid_t clone(uint64_t flags, int cgroup, UniqueFd& pidfd);

  std::string cgroup_path_;
  std::unique_ptr<Process::State> state_;
  UniqueFd child_end_;
  UniqueFd own_pidfd_;
};

}  // namespace gantry
