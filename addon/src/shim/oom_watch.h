#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "isolation/cgroup.h"
#include "isolation/unique_fd.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// Counts the processes of a container that the kernel kills for memory.
class OomWatch final : public EventHandler {
 public:
  /// @param on_kill called when the count has grown
  OomWatch(EventLoop& loop, const std::string& cgroup_path, std::function<void()> on_kill);
  ~OomWatch();

  /// Looks at the count now; reports growth. Returns whether anything was ever killed.
  bool check_now();
  void on_ready(uint32_t events) override;

 private:
  EventLoop& loop_;
  Cgroup cgroup_;
  UniqueFd notification_;
  std::function<void()> on_kill_;
  EventLoop::TimerId recheck_ = 0;
  uint64_t kills_ = 0;
};

}  // namespace gantry::shim
