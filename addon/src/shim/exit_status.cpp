#include "shim/exit_status.h"

#include <sys/wait.h>

#include <cerrno>

namespace gantry::shim {

std::optional<int> reap(int pidfd) noexcept {
  siginfo_t info{};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) < 0) {
    if (errno != EINTR) return 255;
  }
  if (info.si_pid == 0) return std::nullopt;
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace gantry::shim
