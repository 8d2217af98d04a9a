#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// Makes the shim the parent of what an external runtime leaves behind, and reaps whatever of it nobody else waits for.
class OrphanReaper final : public EventHandler {
 public:
  /// Makes this process a subreaper. @throws Error
  static void adopt();

  /// @param is_known whether a process is followed by someone who will reap it
  OrphanReaper(EventLoop& loop, std::function<bool(pid_t)> is_known);
  ~OrphanReaper();

  void sweep();
  void on_ready(uint32_t events) override;

 private:
  EventLoop& loop_;
  std::function<bool(pid_t)> is_known_;
  UniqueFd signals_;
  EventLoop::TimerId retry_ = 0;
};

}  // namespace gantry::shim
