#include "shim/connections.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isolation/error.h"
#include "shim/diagnostics.h"
#include "shim/unix_listener.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxConnections = 512;
/// A client has to say what it wants.
constexpr auto kFirstMessageTimeout = 10s;
constexpr auto kAcceptRetryDelay = 1s;

}  // namespace

Connections::~Connections() { stop_listening(); }

void Connections::listen(const std::string& name) {
  listening_ = listen_unix(name);
  socket_name_ = name;
  loop_.watch(listening_.get(), EPOLLIN, *this);
}

void Connections::stop_listening() noexcept {
  if (!listening_) return;
  loop_.unwatch(listening_.get());
  listening_.reset();
  unlink(socket_name_.c_str());
}

void Connections::add(UniqueFd socket, bool is_control) {
  connections_.push_back(std::make_unique<MessageConnection>(loop_, std::move(socket), *this));
  MessageConnection* connection = connections_.back().get();
  connection->is_control = is_control;
  connection->number = next_number_++;
  if (!is_control) connection->silence_timer = loop_.after(kFirstMessageTimeout, [connection] { connection->close(); });
}

void Connections::on_ready(uint32_t) { accept_one(); }

void Connections::accept_one() {
  UniqueFd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) {
    if (connections_.size() < kMaxConnections) add(std::move(socket), false);
    return;
  }
  if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
  diagnose("accept: %s", strerrordesc_np(errno));
  loop_.change(listening_.get(), 0, *this);
  loop_.after(kAcceptRetryDelay, [this] {
    if (listening_) loop_.change(listening_.get(), EPOLLIN, *this);
  });
}

void Connections::on_message(MessageConnection& connection, const std::string& message) {
  loop_.cancel(std::exchange(connection.silence_timer, 0));
  listener_.message(connection, message);
}

void Connections::on_closed(MessageConnection& connection) {
  loop_.cancel(std::exchange(connection.silence_timer, 0));
  bool was_control = std::exchange(connection.is_control, false);
  // The connection is still at work.
  loop_.defer([this, closed = &connection, was_control] {
    connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                      [&](const auto& each) { return each.get() == closed; }),
                       connections_.end());
    bool any_control =
        std::any_of(connections_.begin(), connections_.end(), [](auto& each) { return each->is_control; });
    if (was_control && !any_control) listener_.abandoned();
    listener_.changed();
  });
}

void Connections::broadcast(const std::string& framed) {
  for (size_t index = 0; index < connections_.size(); ++index) {
    if (connections_[index]->is_control) connections_[index]->send(framed);
  }
}

std::function<MessageConnection*()> Connections::reference(const MessageConnection& connection) const {
  return [this, number = connection.number]() -> MessageConnection* {
    for (const auto& each : connections_) {
      if (each->number == number) return each.get();
    }
    return nullptr;
  };
}

bool Connections::flushed() const noexcept {
  return std::all_of(connections_.begin(), connections_.end(), [](const auto& each) { return each->flushed(); });
}

}  // namespace gantry::shim
