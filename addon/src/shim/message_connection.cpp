#include "shim/message_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>

#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

constexpr size_t kMaxUnsent = 1024 * 1024;

}  // namespace

MessageConnection::MessageConnection(EventLoop& loop, UniqueFd socket, MessageListener& listener)
    : loop_(loop), socket_(std::move(socket)), listener_(listener) {
  loop_.watch(socket_.get(), EPOLLIN, *this);
}

MessageConnection::~MessageConnection() {
  if (socket_) loop_.unwatch(socket_.get());
}

void MessageConnection::on_ready(uint32_t events) {
  if (events & EPOLLOUT) flush();
  if (socket_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) receive();
}

void MessageConnection::receive() {
  char chunk[8192];
  ssize_t length = recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) return close();
  if (closing_) return;
  try {
    reader_.feed(chunk, static_cast<size_t>(length));
    while (socket_ && !closing_) {
      auto message = reader_.next();
      if (!message) return;
      listener_.on_message(*this, *message);
    }
  } catch (const std::exception& error) {
    diagnose("connection dropped: %s", error.what());
    close();
  }
}

void MessageConnection::send(const std::string& framed) {
  if (!socket_) return;
  unsent_.append(framed);
  if (unsent_.size() == framed.size()) flush();
  if (unsent_.size() > kMaxUnsent) close();
}

void MessageConnection::flush() {
  while (!unsent_.empty()) {
    ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return loop_.change(socket_.get(), EPOLLIN | EPOLLOUT, *this);
    // What the peer sent before it went away is still read; its end is seen there.
    if (sent < 0) unsent_.clear();
    if (sent > 0) unsent_.erase(0, static_cast<size_t>(sent));
  }
  std::string().swap(unsent_);
  if (closing_) return close();
  loop_.change(socket_.get(), EPOLLIN, *this);
}

void MessageConnection::close_when_flushed() {
  closing_ = true;
  if (unsent_.empty()) close();
}

void MessageConnection::close() {
  if (!socket_) return;
  loop_.unwatch(socket_.get());
  socket_.reset();
  unsent_.clear();
  listener_.on_closed(*this);
}

MessageConnection::Remains MessageConnection::take() {
  loop_.unwatch(socket_.get());
  Remains remains{std::move(socket_), reader_.take_rest(), std::move(unsent_)};
  unsent_.clear();
  listener_.on_closed(*this);
  return remains;
}

}  // namespace gantry::shim
