#include "shim/tcp_forwarder.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "isolation/error.h"
#include "shim/diagnostics.h"
#include "shim/tcp_relay.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

/// When descriptors or memory have run out: for how long nobody is accepted.
constexpr auto kPause = 100ms;
/// Connections accepted before others have their turn.
constexpr int kTurn = 16;

void send_at_once(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

TcpForwarder::TcpForwarder(EventLoop& loop, UniqueFd listener, bool sctp)
    : loop_(loop), listener_(std::move(listener)), sctp_(sctp) {
  if (listener_) loop_.watch(listener_.get(), EPOLLIN, *this);
}

TcpForwarder::~TcpForwarder() {
  if (paused_ != 0)
    loop_.cancel(paused_);
  else if (listener_)
    loop_.unwatch(listener_.get());
}

void TcpForwarder::on_ready(uint32_t) {
  for (int turn = 0; turn < kTurn; ++turn) {
    UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
      return;
    }
    try {
      begin(std::move(client));
    } catch (const Error& error) {
      if (error.error() != EMFILE && error.error() != ENFILE) diagnose("%s", error.what());
      return pause();
    }
  }
}

void TcpForwarder::pause() {
  loop_.unwatch(listener_.get());
  paused_ = loop_.after(kPause, [this] { resume(); });
}

void TcpForwarder::resume() {
  paused_ = 0;
  loop_.watch(listener_.get(), EPOLLIN, *this);
}

void TcpForwarder::begin(UniqueFd client) {
  if (!target_) return;
  UniqueFd upstream(
      check(socket(target_->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, sctp_ ? IPPROTO_SCTP : 0),
            "open a socket"));
  if (!sctp_) {
    send_at_once(client.get());
    send_at_once(upstream.get());
  }
  // One that cannot be reached is like one that nobody listens on.
  if (connect(upstream.get(), target_->get(), target_->size) < 0 && errno != EINPROGRESS) return;
  relays_.push_back(std::make_unique<TcpRelay>(loop_, std::move(client), std::move(upstream),
                                               [this](const TcpRelay& relay) { ended(relay); }));
}

void TcpForwarder::ended(const TcpRelay& relay) {
  relays_.remove_if([&](const auto& each) { return each.get() == &relay; });
}

}  // namespace gantry::shim
