#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "isolation/cgroup.h"
#include "isolation/cgroup_directory.h"
#include "isolation/cgroup_stats.h"
#include "isolation/error.h"

namespace gantry {
namespace {

uint64_t oom_kills_in(const CgroupDirectory& directory, const char* file) {
  for (const auto& [name, value] : parse_flat_keyed(directory.read_if_present(file).value_or("")))
    if (name == "oom_kill") return value;
  return 0;
}

/// v1 counts for each directory by itself.
uint64_t oom_kills_v1(const CgroupDirectory& directory) {
  uint64_t sum = oom_kills_in(directory, "memory.oom_control");
  for (const CgroupDirectory& child : directory.children()) sum += oom_kills_v1(child);
  return sum;
}

UniqueFd watch_v1(const CgroupDirectory& directory) {
  UniqueFd event(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create an eventfd"));
  const UniqueFd control = directory.open_file("memory.oom_control", O_RDONLY);
  directory.write("cgroup.event_control", std::to_string(event.get()) + " " + std::to_string(control.get()));
  return event;
}

UniqueFd watch_v2(const CgroupDirectory& directory) {
  UniqueFd watch(check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "create an inotify instance"));
  const std::string file = directory.name() + "/memory.events";
  check(::inotify_add_watch(watch.get(), file.c_str(), IN_MODIFY), "watch " + file);
  return watch;
}

}  // namespace

uint64_t Cgroup::oom_kills() const {
  const CgroupHierarchy* hierarchy = CgroupLayout::get().find("memory");
  if (hierarchy == nullptr) return 0;
  const CgroupDirectory directory(*hierarchy, path_);
  return hierarchy->unified ? oom_kills_in(directory, "memory.events") : oom_kills_v1(directory);
}

UniqueFd Cgroup::watch_oom() const {
  const CgroupHierarchy* hierarchy = CgroupLayout::get().find("memory");
  if (hierarchy == nullptr) return UniqueFd();
  const CgroupDirectory directory(*hierarchy, path_);
  return hierarchy->unified ? watch_v2(directory) : watch_v1(directory);
}

}  // namespace gantry
