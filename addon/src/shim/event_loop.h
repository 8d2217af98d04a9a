#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// Something that waits for a file descriptor.
class EventHandler {
 public:
  /// @param events EPOLL* bits. The handler may be destroyed by what it does here.
  virtual void on_ready(uint32_t events) = 0;

 protected:
  ~EventHandler() = default;
};

/// A single-threaded epoll loop with timers. One event is taken from the kernel at a time, so a handler may destroy any
/// other without leaving a stale event behind.
class EventLoop {
 public:
  using TimerId = uint64_t;

  EventLoop();

  /// Level-triggered. @throws Error
  void watch(int fd, uint32_t events, EventHandler& handler);
  void change(int fd, uint32_t events, EventHandler& handler) noexcept;
  void unwatch(int fd) noexcept;

  /// Calls `action` once, after `delay`.
  TimerId after(std::chrono::milliseconds delay, std::function<void()> action);
  void cancel(TimerId timer) noexcept;

  /// Calls `action` when the present handler has returned; the place to destroy objects that are still in use.
  void defer(std::function<void()> action);

  /// Called when nothing has happened for a second after some activity.
  void on_idle(std::function<void()> action) { idle_ = std::move(action); }

  /// Called when epoll_wait was interrupted or an event has been handled; exceptions of handlers end here.
  void run();
  void stop() noexcept { stopped_ = true; }

 private:
  struct Timer {
    TimerId id;
    std::chrono::steady_clock::time_point due;
    std::function<void()> action;
  };

  int wait_milliseconds() const;
  void run_due_timers();
  void run_deferred();

  UniqueFd epoll_;
  std::vector<Timer> timers_;
  std::vector<std::function<void()>> deferred_;
  std::function<void()> idle_;
  TimerId next_timer_ = 1;
  bool active_ = false;
  bool stopped_ = false;
};

}  // namespace gantry::shim
