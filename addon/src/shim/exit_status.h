#pragma once

#include <ctime>
#include <optional>
#include <string>

namespace gantry::shim {

/// Reaps a child that has ended. @returns its exit code as shells and Docker report it, 128 + signal for a signal;
/// nothing while it still runs. 255 if it was not our child after all
std::optional<int> reap(int pidfd) noexcept;

/// How a container's run ended.
struct ExitRecord {
  int exit_code = 0;
  bool oom_killed = false;
  std::string started_at;
  std::string finished_at;
};

/// Writes `exit.json` and renames it into place. @throws Error
void write_exit_record(const std::string& directory, const ExitRecord& record);

}  // namespace gantry::shim
