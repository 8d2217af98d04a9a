#include "archive/background_thread.h"

#include <sys/resource.h>
#include <unistd.h>

namespace gantry::archive {
namespace {

constexpr int niceness = 5;

}  // namespace

void enter_background() noexcept {
  // On Linux a thread has a priority of its own. Without the right to change it work goes on as before.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness));
}

}  // namespace gantry::archive
