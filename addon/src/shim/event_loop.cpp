#include "shim/event_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <exception>

#include "isolation/error.h"
#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

constexpr int kIdleMilliseconds = 1000;

/// A failing action must not end the loop: the container lives on whatever a peer or the disk does.
template <typename Action>
void guarded(Action&& action) noexcept {
  try {
    action();
  } catch (const std::exception& error) {
    diagnose("%s", error.what());
  }
}

}  // namespace

EventLoop::EventLoop() : epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void EventLoop::watch(int fd, uint32_t events, EventHandler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  check(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl add");
}

void EventLoop::change(int fd, uint32_t events, EventHandler& handler) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::unwatch(int fd) noexcept { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

EventLoop::TimerId EventLoop::after(std::chrono::milliseconds delay, std::function<void()> action) {
  timers_.push_back({next_timer_, std::chrono::steady_clock::now() + delay, std::move(action)});
  return next_timer_++;
}

void EventLoop::cancel(TimerId timer) noexcept {
  timers_.erase(std::remove_if(timers_.begin(), timers_.end(), [&](const Timer& each) { return each.id == timer; }),
                timers_.end());
}

void EventLoop::defer(std::function<void()> action) { deferred_.push_back(std::move(action)); }

int EventLoop::wait_milliseconds() const {
  using namespace std::chrono;
  int wait = active_ && idle_ ? kIdleMilliseconds : -1;
  if (timers_.empty()) return wait;
  auto due = std::min_element(timers_.begin(), timers_.end(), [](auto& a, auto& b) { return a.due < b.due; })->due;
  auto left = ceil<milliseconds>(due - steady_clock::now()).count();
  int until_due = static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
  return wait < 0 ? until_due : std::min(wait, until_due);
}

/// One at a time: what an action destroys takes its own timers along, due or not.
void EventLoop::run_due_timers() {
  if (timers_.empty()) return;
  const auto now = std::chrono::steady_clock::now();
  const TimerId first_new = next_timer_;
  for (;;) {
    auto due = std::find_if(timers_.begin(), timers_.end(),
                            [&](const Timer& each) { return each.due <= now && each.id < first_new; });
    if (due == timers_.end()) return;
    Timer timer = std::move(*due);
    timers_.erase(due);
    guarded(timer.action);
  }
}

void EventLoop::run_deferred() {
  while (!deferred_.empty()) {
    std::vector<std::function<void()>> actions;
    actions.swap(deferred_);
    for (auto& action : actions) guarded(action);
  }
}

void EventLoop::run() {
  run_deferred();
  while (!stopped_) {
    epoll_event event{};
    int ready = epoll_wait(epoll_.get(), &event, 1, wait_milliseconds());
    if (ready == 1) {
      active_ = true;
      guarded([&] { static_cast<EventHandler*>(event.data.ptr)->on_ready(event.events); });
    } else if (ready == 0 && active_ && timers_.empty()) {
      active_ = false;
      if (idle_) guarded(idle_);
    }
    run_due_timers();
    run_deferred();
  }
}

}  // namespace gantry::shim
