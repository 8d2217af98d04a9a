#include "isolation/cgroup.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "isolation/cgroup_device_filter.h"
#include "isolation/cgroup_directory.h"
#include "isolation/cgroup_limits.h"
#include "isolation/cgroup_resources.h"
#include "isolation/cgroup_stats.h"
#include "isolation/error.h"

namespace gantry {
namespace {

using Limit = void (*)(const CgroupDirectory&, const CgroupResources&);

/// A directory in this hierarchy is made for every container. cpuset waits until someone asks for it; v1's freezer
/// is not needed beside v2, which freezes better.
bool is_always_used(const CgroupHierarchy& hierarchy) {
  if (hierarchy.unified) return true;
  const bool freezer_needed = CgroupLayout::get().unified() == nullptr;
  return std::any_of(hierarchy.controllers.begin(), hierarchy.controllers.end(), [&](const std::string& name) {
    return name != "cpuset" && (name != "freezer" || freezer_needed);
  });
}

/// One that every cgroup is in.
const CgroupHierarchy& main_hierarchy() {
  const CgroupLayout& layout = CgroupLayout::get();
  if (const CgroupHierarchy* unified = layout.unified()) return *unified;
  return *std::find_if(layout.hierarchies().begin(), layout.hierarchies().end(), is_always_used);
}

void remember(std::vector<CgroupDirectory>& made, const CgroupDirectory& directory) {
  made.push_back(directory);
  const CgroupHierarchy& hierarchy = directory.hierarchy();
  if (!hierarchy.unified && hierarchy.has("cpuset")) inherit_cpuset_v1(directory);
}

/// Creates the directory and its missing ancestors; appends what it made.
/// @return false when the directory exists already
bool make_with_parents(const CgroupDirectory& directory, std::vector<CgroupDirectory>& made) {
  std::optional<bool> result = directory.try_make();
  if (!result) {
    make_with_parents(directory.parent(), made);
    result = directory.try_make();
    if (!result) throw Error("create cgroup " + directory.name(), ENOENT);
  }
  if (*result) remember(made, directory);
  return *result;
}

/// A leaf of its own. One that a crash has left behind is replaced, so that no old limit survives; one with
/// processes is somebody else's.
void make_leaf(const CgroupDirectory& directory, std::vector<CgroupDirectory>& made) {
  if (make_with_parents(directory, made)) return;
  if (!directory.children().empty() || !directory.try_remove())
    throw Error("create cgroup " + directory.name(), EEXIST, "it is in use");
  make_with_parents(directory, made);
}

std::string missing_controllers(const CgroupDirectory& directory) {
  std::istringstream words(directory.read("cgroup.subtree_control"));
  std::vector<std::string> enabled;
  for (std::string word; words >> word;) enabled.push_back(word);
  std::string missing;
  for (const std::string& controller : directory.hierarchy().controllers) {
    if (std::find(enabled.begin(), enabled.end(), controller) == enabled.end())
      missing.append(missing.empty() ? "+" : " +").append(controller);
  }
  return missing;
}

/// Lets the children of `directory` (on v2) use every controller there is.
void enable_controllers(const CgroupDirectory& directory) {
  const std::string missing = missing_controllers(directory);
  if (missing.empty()) return;
  if (!directory.is_root()) enable_controllers(directory.parent());
  const int error = directory.try_write("cgroup.subtree_control", missing);
  if (error == 0) return;
  const std::string operation = "enable " + missing + " in " + directory.name() + "/cgroup.subtree_control";
  if (error == EBUSY)
    throw Error(operation, error, "the cgroup has processes of its own, so cgroup v2 cannot limit those below it");
  // One controller can be unavailable (cpu while real-time processes exist) and the others not. A limit that needs
  // the missing one is refused when it is asked for.
  std::istringstream each(missing);
  for (std::string one; each >> one;) directory.try_write("cgroup.subtree_control", one);
}

/// The directory of a controller that may have been left out at creation. Processes that are inside already follow.
CgroupDirectory make_member(const Cgroup& cgroup, const CgroupHierarchy& hierarchy) {
  const CgroupDirectory directory(hierarchy, cgroup.path());
  std::vector<CgroupDirectory> made;
  // Of what is made with the cgroup nothing is missing unless it has gone.
  if (is_always_used(hierarchy) || !make_with_parents(directory, made)) return directory;
  // A removal that has begun may be past this hierarchy; one that begins later is not.
  if (!CgroupDirectory(main_hierarchy(), cgroup.path()).exists()) {
    directory.try_remove();
    throw Error("limit " + directory.name(), ENOENT, "the cgroup has gone");
  }
  // Whoever is born while this goes on shows up in the next round.
  for (size_t moved = 1; moved > 0;) {
    moved = 0;
    const std::vector<pid_t> there = directory.processes();
    for (const pid_t pid : cgroup.processes()) {
      if (std::find(there.begin(), there.end(), pid) != there.end()) continue;
      const int error = directory.try_write("cgroup.procs", std::to_string(pid));
      if (error != 0 && error != ESRCH)
        throw Error("move process " + std::to_string(pid) + " to " + directory.name(), error);
      if (error == 0) ++moved;
    }
  }
  return directory;
}

void apply_limit(const Cgroup& cgroup, const char* controller, const char* v2_name, Limit v1, Limit v2,
                 const CgroupResources& resources) {
  const CgroupLayout& layout = CgroupLayout::get();
  const CgroupHierarchy* hierarchy = layout.find(controller);
  if (hierarchy == nullptr) hierarchy = layout.find(v2_name);
  if (hierarchy == nullptr)
    throw Error("limit " + cgroup.path(), ENOTSUP, std::string("this host has no ") + controller + " controller");
  (hierarchy->unified ? v2 : v1)(make_member(cgroup, *hierarchy), resources);
}

void apply_devices(const Cgroup& cgroup, const std::vector<DeviceRule>& asked) {
  const std::vector<DeviceRule> rules = effective_device_rules(asked);
  const CgroupLayout& layout = CgroupLayout::get();
  if (const CgroupHierarchy* devices = layout.find("devices")) {
    filter_devices_v1(CgroupDirectory(*devices, cgroup.path()), rules);
  } else if (const CgroupHierarchy* unified = layout.unified()) {
    filter_devices_v2(CgroupDirectory(*unified, cgroup.path()), rules);
  } else {
    throw Error("limit the devices of " + cgroup.path(), ENOTSUP, "this host has no devices controller");
  }
}

void apply_unified(const Cgroup& cgroup, const CgroupResources& resources) {
  const CgroupHierarchy* unified = CgroupLayout::get().unified();
  if (unified == nullptr) throw Error("linux.resources.unified", ENOTSUP, "this host has no cgroup v2");
  write_unified(CgroupDirectory(*unified, cgroup.path()), resources);
}

/// Children first. @return false when something is still inside.
bool remove_tree(const CgroupDirectory& directory) {
  if (directory.try_remove()) return true;
  bool empty = true;
  for (const CgroupDirectory& child : directory.children()) empty = remove_tree(child) && empty;
  return empty && directory.try_remove();
}

}  // namespace

Cgroup::Cgroup(std::string path) : path_(std::move(path)) {}

void Cgroup::create() {
  std::vector<CgroupDirectory> made;
  try {
    for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies()) {
      if (!is_always_used(hierarchy)) continue;
      const CgroupDirectory directory(hierarchy, path_);
      if (directory.is_root()) throw Error("create cgroup " + directory.name(), EEXIST);
      make_leaf(directory, made);
      if (hierarchy.unified && !hierarchy.controllers.empty()) enable_controllers(directory.parent());
    }
  } catch (...) {
    for (auto directory = made.rbegin(); directory != made.rend(); ++directory) {
      try {
        directory->try_remove();
      } catch (const Error&) {
        // The first failure is the one to tell.
      }
    }
    throw;
  }
}

void Cgroup::apply(const nlohmann::json& json) {
  const CgroupResources resources = parse_cgroup_resources(json);
  if (resources.memory.any()) apply_limit(*this, "memory", "memory", limit_memory_v1, limit_memory_v2, resources);
  if (resources.cpu.any_time()) apply_limit(*this, "cpu", "cpu", limit_cpu_v1, limit_cpu_v2, resources);
  if (resources.cpu.any_set()) apply_limit(*this, "cpuset", "cpuset", limit_cpuset_v1, limit_cpuset_v2, resources);
  if (resources.pids_limit) apply_limit(*this, "pids", "pids", limit_pids, limit_pids, resources);
  if (resources.block_io.any()) apply_limit(*this, "blkio", "io", limit_block_io_v1, limit_block_io_v2, resources);
  if (!resources.hugepages.empty())
    apply_limit(*this, "hugetlb", "hugetlb", limit_hugepages, limit_hugepages, resources);
  if (resources.devices) apply_devices(*this, *resources.devices);
  if (!resources.unified.empty()) apply_unified(*this, resources);
}

UniqueFd Cgroup::open_v2() const {
  const CgroupHierarchy* unified = CgroupLayout::get().unified();
  return unified == nullptr ? UniqueFd() : CgroupDirectory(*unified, path_).open_directory();
}

void Cgroup::attach(pid_t pid, bool with_v2) const {
  const std::string text = std::to_string(pid);
  for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies()) {
    if (hierarchy.unified && !with_v2) continue;
    const CgroupDirectory directory(hierarchy, path_);
    const int error = directory.try_write("cgroup.procs", text);
    if (error == ENOENT && !is_always_used(hierarchy)) continue;
    if (error != 0) throw Error("move process " + text + " to " + directory.name(), error);
  }
}

void Cgroup::remove() const {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(2);
  auto pause = std::chrono::microseconds(200);
  // What a late limit makes (make_member) comes last.
  std::vector<const CgroupHierarchy*> hierarchies;
  for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies()) hierarchies.push_back(&hierarchy);
  std::stable_partition(hierarchies.begin(), hierarchies.end(),
                        [](const CgroupHierarchy* hierarchy) { return is_always_used(*hierarchy); });
  for (const CgroupHierarchy* hierarchy : hierarchies) {
    const CgroupDirectory directory(*hierarchy, path_);
    while (!remove_tree(directory)) {
      if (Clock::now() > deadline)
        throw Error("remove cgroup " + directory.name(), EBUSY, "there are still processes inside");
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(20000));
    }
  }
}

std::vector<pid_t> Cgroup::processes() const { return CgroupDirectory(main_hierarchy(), path_).processes(); }

CgroupStats Cgroup::stats() const {
  CgroupStats stats;
  const CgroupLayout& layout = CgroupLayout::get();
  const auto directory_of = [&](const char* controller) -> std::optional<CgroupDirectory> {
    const CgroupHierarchy* hierarchy = layout.find(controller);
    if (hierarchy == nullptr) return std::nullopt;
    return CgroupDirectory(*hierarchy, path_);
  };
  if (const CgroupHierarchy* unified = layout.unified()) {
    const CgroupDirectory directory(*unified, path_);
    if (!directory.exists()) throw Error("read the numbers of " + directory.name(), ENOENT);
    read_cpu_v2(directory, stats);
  }
  if (const auto directory = directory_of("cpuacct")) read_cpuacct_v1(*directory, stats);
  if (const auto cpu = directory_of("cpu"); cpu && !cpu->hierarchy().unified) read_cpu_v1(*cpu, stats);
  if (const auto memory = directory_of("memory"))
    (memory->hierarchy().unified ? read_memory_v2 : read_memory_v1)(*memory, stats);
  if (const auto pids = directory_of("pids")) read_pids(*pids, stats);
  if (const auto blkio = directory_of("blkio")) read_block_io_v1(*blkio, stats);
  if (const auto io = directory_of("io")) read_block_io_v2(*io, stats);
  return stats;
}

}  // namespace gantry
