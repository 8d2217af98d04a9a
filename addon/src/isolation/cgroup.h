#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry {

/// The numbers of one cgroup, whichever version its controllers are on. Times in nanoseconds, sizes in bytes.
struct CgroupStats {
  struct {
    uint64_t usage = 0, user = 0, system = 0;
    std::vector<uint64_t> per_cpu;
    uint64_t periods = 0, throttled_periods = 0, throttled = 0;
  } cpu;
  struct {
    uint64_t usage = 0, max_usage = 0, limit = 0, failcnt = 0;
    std::map<std::string, uint64_t> stats;
  } memory;
  struct {
    uint64_t current = 0, limit = 0;
  } pids;
  struct BlockIo {
    unsigned major = 0, minor = 0;
    std::string op;
    uint64_t bytes = 0, operations = 0;
  };
  std::vector<BlockIo> blkio;
};

/// A cgroup of one container across the v2 hierarchy and, on hybrid hosts, the v1 controllers.
/// `path` is relative to every hierarchy: "/gantry/<id>". Objects are cheap; nothing is created by constructing one.
class Cgroup {
 public:
  explicit Cgroup(std::string path);

  /// Creates the directories (and, on v2, enables the controllers on the way down). Removes what it made on failure.
  void create();
  /// Applies `linux.resources` of the OCI spec (memory, cpu, pids, blockIO, devices, hugepageLimits, unified).
  /// A limit whose controller does not exist here is an Error that names it.
  void apply(const nlohmann::json& resources);
  /// The v2 directory for CLONE_INTO_CGROUP; empty where there is no v2 hierarchy.
  UniqueFd open_v2() const;
  /// Moves a process into every v1 controller (and into v2 when `with_v2`).
  void attach(pid_t pid, bool with_v2) const;
  void freeze() const;
  void thaw() const;
  /// Kills every process inside, also when frozen, and waits until they are gone (at most two seconds).
  void kill() const;
  /// Removes the directories, children first; retries while processes are still leaving. Absence is fine.
  void remove() const;
  std::vector<pid_t> processes() const;
  CgroupStats stats() const;
  /// How many processes of this cgroup the kernel has killed for memory.
  uint64_t oom_kills() const;
  /// A descriptor that becomes readable (v1 eventfd: POLLIN) or has an event (v2 inotify: POLLIN) when memory runs out.
  /// Empty where there is no memory controller.
  UniqueFd watch_oom() const;

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// Host facts, read once.
struct CgroupHost {
  /// 2 when all controllers are on the unified hierarchy.
  int version = 2;
  std::vector<std::string> controllers;
  bool swap_accounting = false;
};
const CgroupHost& cgroup_host();

}  // namespace gantry
