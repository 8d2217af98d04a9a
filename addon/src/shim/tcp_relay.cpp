#include "shim/tcp_relay.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

/// As much as a pipe holds.
constexpr size_t kPiece = 64 * 1024;
/// Pieces moved before others have their turn.
constexpr int kTurn = 16;

bool would_block() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

TcpRelay::TcpRelay(EventLoop& loop, UniqueFd client, UniqueFd upstream, std::function<void(const TcpRelay&)> ended)
    : loop_(loop), client_(*this, std::move(client)), upstream_(*this, std::move(upstream)), ended_(std::move(ended)) {
  for (Flow* flow : {&to_upstream_, &to_client_}) {
    int ends[2];
    check(pipe2(ends, O_CLOEXEC | O_NONBLOCK), "create a pipe");
    flow->out.reset(ends[0]);
    flow->in.reset(ends[1]);
  }
  watch(upstream_, EPOLLOUT);
}

TcpRelay::~TcpRelay() {
  watch(client_, 0);
  watch(upstream_, 0);
}

/// A socket of which nothing is wanted is not watched at all: its end would be told over and over.
void TcpRelay::watch(Side& side, uint32_t events) {
  if (events == side.watched) return;
  if (events == 0)
    loop_.unwatch(side.socket.get());
  else if (side.watched == 0)
    loop_.watch(side.socket.get(), events, side);
  else
    loop_.change(side.socket.get(), events, side);
  side.watched = events;
}

void TcpRelay::on_ready(uint32_t events) {
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(upstream_.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0 || (events & EPOLLERR) != 0) return ended_(*this);
    connected_ = true;
  } else if ((events & EPOLLERR) != 0) {
    return ended_(*this);
  }
  const int client = client_.socket.get(), upstream = upstream_.socket.get();
  if (!move(to_upstream_, client, upstream) || !move(to_client_, upstream, client)) return ended_(*this);
  if (to_upstream_.finished && to_client_.finished) return ended_(*this);
  update_interest();
}

bool TcpRelay::move(Flow& flow, int from, int to) {
  if (flow.finished) return true;
  for (int turn = 0; turn < kTurn; ++turn) {
    if (flow.pending == 0 && !flow.ended) {
      const ssize_t got = splice(from, nullptr, flow.in.get(), nullptr, kPiece, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (got < 0) return would_block();
      flow.ended = got == 0;
      flow.pending = static_cast<size_t>(got);
    }
    while (flow.pending > 0) {
      const ssize_t put = splice(flow.out.get(), nullptr, to, nullptr, flow.pending, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (put < 0) return would_block();
      flow.pending -= static_cast<size_t>(put);
    }
    if (flow.ended) {
      shutdown(to, SHUT_WR);
      flow.finished = true;
      return true;
    }
  }
  return true;
}

void TcpRelay::update_interest() {
  const auto wanted = [](const Flow& incoming, const Flow& outgoing) {
    uint32_t events = 0;
    if (!incoming.ended && incoming.pending == 0) events |= EPOLLIN;
    if (outgoing.pending > 0) events |= EPOLLOUT;
    return events;
  };
  watch(client_, wanted(to_upstream_, to_client_));
  watch(upstream_, wanted(to_client_, to_upstream_));
}

}  // namespace gantry::shim
