#include "shim/oom_watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

/// cgroup v1 notifies when memory has run out, which is just before a process is chosen.
constexpr auto kRecheckDelay = 50ms;

}  // namespace

OomWatch::OomWatch(EventLoop& loop, const std::string& cgroup_path, std::function<void()> on_kill)
    : loop_(loop), cgroup_(cgroup_path), on_kill_(std::move(on_kill)) {
  try {
    notification_ = cgroup_.watch_oom();
    if (notification_) loop_.watch(notification_.get(), EPOLLIN, *this);
  } catch (const std::exception& error) {
    notification_.reset();
    diagnose("memory events are not followed: %s", error.what());
  }
}

OomWatch::~OomWatch() {
  if (notification_) loop_.unwatch(notification_.get());
  loop_.cancel(recheck_);
}

void OomWatch::on_ready(uint32_t) {
  char events[4096];
  if (read(notification_.get(), events, sizeof events) <= 0) {
    loop_.unwatch(notification_.get());
    notification_.reset();
  }
  uint64_t before = kills_;
  check_now();
  if (kills_ != before) return;
  loop_.cancel(recheck_);
  recheck_ = loop_.after(kRecheckDelay, [this] { check_now(); });
}

bool OomWatch::check_now() {
  uint64_t kills = kills_;
  try {
    kills = cgroup_.oom_kills();
  } catch (const std::exception&) {
    // No memory controller, or the cgroup is gone: what was counted stands.
  }
  bool grown = kills > kills_;
  kills_ = kills;
  if (grown) on_kill_();
  return kills_ > 0;
}

}  // namespace gantry::shim
