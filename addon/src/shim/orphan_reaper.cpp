#include "shim/orphan_reaper.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

constexpr auto kRetryDelay = 20ms;

sigset_t child_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  return signals;
}

}  // namespace

void OrphanReaper::adopt() { check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a subreaper"); }

OrphanReaper::OrphanReaper(EventLoop& loop, std::function<bool(pid_t)> is_known)
    : loop_(loop), is_known_(std::move(is_known)) {
  sigset_t signals = child_signal();
  check(sigprocmask(SIG_BLOCK, &signals, nullptr), "block SIGCHLD");
  signals_.reset(check(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
  loop_.watch(signals_.get(), EPOLLIN, *this);
}

OrphanReaper::~OrphanReaper() {
  loop_.cancel(retry_);
  loop_.unwatch(signals_.get());
}

void OrphanReaper::on_ready(uint32_t) {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) > 0) {
  }
  sweep();
}

void OrphanReaper::sweep() {
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
    if (is_known_(info.si_pid)) {
      // Its own handler comes first; others may be queued behind it.
      loop_.cancel(retry_);
      retry_ = loop_.after(kRetryDelay, [this] { sweep(); });
      return;
    }
    waitid(P_PID, static_cast<id_t>(info.si_pid), nullptr, WEXITED | WNOHANG);
  }
}

}  // namespace gantry::shim
