#include "shim/exit_status.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry::shim {

std::optional<int> reap(int pidfd) noexcept {
  siginfo_t info{};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) < 0) {
    if (errno != EINTR) return 255;
  }
  if (info.si_pid == 0) return std::nullopt;
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void write_exit_record(const std::string& directory, const ExitRecord& record) {
  const std::string path = directory + "/exit.json";
  const std::string temporary = path + ".tmp";
  const std::string text = nlohmann::json{
      {"exitCode", record.exit_code},
      {"oomKilled", record.oom_killed},
      {"startedAt", record.started_at},
      {"finishedAt",
       record.finished_at}}.dump();
  {
    UniqueFd file(check(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600),
                        "open exit record"));
    ssize_t written = check(write(file.get(), text.data(), text.size()), "write exit record");
    if (static_cast<size_t>(written) != text.size()) throw Error("write exit record", ENOSPC);
  }
  check(rename(temporary.c_str(), path.c_str()), "rename exit record");
}

}  // namespace gantry::shim
