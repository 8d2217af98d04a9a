#include "shim/dns_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

/// A client that neither asks nor reads for so long, or twice that, is dropped.
constexpr auto kIdleTime = 10s;
constexpr size_t kLengthSize = 2;
/// No honest question comes near.
constexpr size_t kMaxQuerySize = 4096;
/// A client with as much to come asks no more until it has read.
constexpr size_t kMaxPending = 64;
constexpr size_t kMaxUnsent = 128 * 1024;

}  // namespace

DnsConnection::DnsConnection(EventLoop& loop, UniqueFd socket, uint64_t number, DnsService& service,
                             std::function<void(DnsConnection&)> closed)
    : loop_(loop), socket_(std::move(socket)), number_(number), service_(service), closed_(std::move(closed)) {
  loop_.watch(socket_.get(), EPOLLIN, *this);
  await_activity();
}

DnsConnection::~DnsConnection() {
  loop_.cancel(timer_);
  if (socket_) loop_.unwatch(socket_.get());
}

void DnsConnection::await_activity() {
  active_ = false;
  timer_ = loop_.after(kIdleTime, [this] {
    timer_ = 0;
    if (active_ || pending_ > 0) return await_activity();
    close();
  });
}

void DnsConnection::close() {
  if (!socket_) return;
  loop_.cancel(std::exchange(timer_, 0));
  loop_.unwatch(socket_.get());
  socket_.reset();
  closed_(*this);
}

void DnsConnection::on_ready(uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) return close();
  active_ = true;
  if (events & EPOLLOUT) flush();
  if (socket_ && (events & EPOLLIN)) receive();
}

void DnsConnection::receive() {
  char chunk[kMaxQuerySize];
  ssize_t length = recv(socket_.get(), chunk, sizeof chunk, 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length < 0) return close();
  input_ended_ = length == 0;
  received_.append(chunk, static_cast<size_t>(length));
  serve_received();
}

/// Once for every event, so that a client that sends much does not keep others waiting.
void DnsConnection::serve_received() {
  size_t at = 0;
  serving_ = true;
  while (socket_ && received_.size() - at >= kLengthSize && pending_ < kMaxPending && unsent_.size() < kMaxUnsent) {
    const size_t size = dns::read16(received_.data() + at);
    if (size > kMaxQuerySize) close();
    if (!socket_ || received_.size() - at < kLengthSize + size) break;
    ++pending_;
    DnsClient client;
    client.transport = dns::Transport::kTcp;
    client.connection = number_;
    service_.on_query(client, std::string_view(received_).substr(at + kLengthSize, size));
    at += kLengthSize + size;
  }
  serving_ = false;
  if (!socket_) return;
  received_.erase(0, at);
  flush();
}

void DnsConnection::reply(std::string_view message) {
  if (pending_ > 0) --pending_;
  if (!socket_) return;
  if (!message.empty()) {
    char length[kLengthSize];
    dns::write16(length, static_cast<uint16_t>(message.size()));
    unsent_.append(length, kLengthSize);
    unsent_ += message;
  }
  if (!serving_) serve_received();
}

void DnsConnection::flush() {
  while (!unsent_.empty()) {
    ssize_t sent = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return close();
    unsent_.erase(0, static_cast<size_t>(sent));
  }
  if (input_ended_ && idle()) return close();
  update_interest();
}

void DnsConnection::update_interest() {
  bool reads = !input_ended_ && pending_ < kMaxPending && unsent_.size() < kMaxUnsent;
  loop_.change(socket_.get(), (reads ? EPOLLIN : 0u) | (unsent_.empty() ? 0u : EPOLLOUT), *this);
}

}  // namespace gantry::shim
