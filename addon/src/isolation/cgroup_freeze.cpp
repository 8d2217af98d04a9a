// Stopping, continuing and killing everything in a cgroup at once.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <chrono>
#include <thread>

#include "isolation/cgroup.h"
#include "isolation/cgroup_directory.h"
#include "isolation/cgroup_stats.h"
#include "isolation/error.h"

namespace gantry {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto PATIENCE = std::chrono::seconds(2);
constexpr auto STEP = std::chrono::milliseconds(1);

/// The value of a key in cgroup.events.
uint64_t event(int fd, const std::string& name, std::string_view key) {
  char buffer[256];
  const ssize_t got = ::pread(fd, buffer, sizeof buffer, 0);
  // The cgroup was removed: whatever was in it has gone.
  if (got < 0 && errno == ENODEV) return 0;
  check(got, "read " + name + "/cgroup.events");
  for (const auto& [each, value] : parse_flat_keyed({buffer, static_cast<size_t>(got)}))
    if (each == key) return value;
  return 0;
}

/// Waits until `key` of cgroup.events has `value`. The kernel wakes a poller at every change.
void await_event(const CgroupDirectory& directory, std::string_view key, uint64_t value) {
  const UniqueFd events = directory.open_file("cgroup.events", O_RDONLY);
  const auto deadline = Clock::now() + PATIENCE;
  while (event(events.get(), directory.name(), key) != value) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0)
      throw Error("wait for \"" + std::string(key) + " " + std::to_string(value) + "\" of " + directory.name(),
                  ETIMEDOUT);
    pollfd waiting = {events.get(), POLLPRI, 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) < 0 && errno != EINTR) throw Error("poll cgroup.events");
  }
}

CgroupDirectory freezer_v1(const std::string& path) {
  const CgroupHierarchy* hierarchy = CgroupLayout::get().find("freezer");
  if (hierarchy == nullptr) throw Error("freeze " + path, ENOTSUP, "this host has no freezer controller");
  return CgroupDirectory(*hierarchy, path);
}

void set_freezer_v1(const CgroupDirectory& directory, const std::string& state) {
  const auto deadline = Clock::now() + PATIENCE;
  for (;;) {
    // Processes that forked meanwhile are caught by writing again.
    directory.write("freezer.state", state);
    if (directory.read("freezer.state").compare(0, state.size(), state) == 0) return;
    if (Clock::now() > deadline) throw Error("wait for " + state + " of " + directory.name(), ETIMEDOUT);
    std::this_thread::sleep_for(STEP);
  }
}

/// One signal for each process until none is left, for kernels without cgroup.kill (before 5.14) and v1.
void kill_one_by_one(const Cgroup& cgroup) {
  const auto deadline = Clock::now() + PATIENCE;
  for (;;) {
    const std::vector<pid_t> inside = cgroup.processes();
    if (inside.empty()) return;
    for (const pid_t pid : inside) ::kill(pid, SIGKILL);
    // A frozen process on v1 takes its signal only when it is thawed.
    cgroup.thaw();
    if (Clock::now() > deadline) throw Error("wait for the processes of " + cgroup.path() + " to end", ETIMEDOUT);
    std::this_thread::sleep_for(STEP);
  }
}

}  // namespace

void Cgroup::freeze() const {
  const CgroupHierarchy* unified = CgroupLayout::get().unified();
  if (unified == nullptr) return set_freezer_v1(freezer_v1(path_), "FROZEN");
  const CgroupDirectory directory(*unified, path_);
  directory.write("cgroup.freeze", "1");
  await_event(directory, "frozen", 1);
}

void Cgroup::thaw() const {
  const CgroupHierarchy* unified = CgroupLayout::get().unified();
  if (unified == nullptr) return set_freezer_v1(freezer_v1(path_), "THAWED");
  const CgroupDirectory directory(*unified, path_);
  directory.write("cgroup.freeze", "0");
  await_event(directory, "frozen", 0);
}

void Cgroup::kill() const {
  const CgroupHierarchy* unified = CgroupLayout::get().unified();
  if (unified == nullptr) return kill_one_by_one(*this);
  const CgroupDirectory directory(*unified, path_);
  const int error = directory.try_write("cgroup.kill", "1");
  if (error == ENOENT && directory.exists()) return kill_one_by_one(*this);
  if (error == ENOENT || error == ENODEV) return;
  if (error != 0) throw Error("kill the processes of " + directory.name(), error);
  await_event(directory, "populated", 0);
}

}  // namespace gantry
