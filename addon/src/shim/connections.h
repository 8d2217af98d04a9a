#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"
#include "shim/message_connection.h"

namespace gantry::shim {

/// All connections that speak messages: the one the shim was started with, and those that came in through shim.sock.
/// A connection that is given away for raw streams leaves this list.
class Connections final : public EventHandler, public MessageListener {
 public:
  struct Listener {
    std::function<void(MessageConnection&, const std::string& message)> message;
    /// The last control connection has gone.
    std::function<void()> abandoned;
    /// A connection has taken everything, or has gone.
    std::function<void()> changed;
  };

  Connections(EventLoop& loop, Listener listener) : loop_(loop), listener_(std::move(listener)) {}
  ~Connections();

  void add(UniqueFd socket, bool is_control);
  /// @throws Error
  void listen(const std::string& name);
  /// New clients find nobody any more.
  void stop_listening() noexcept;
  /// Sends to every control connection.
  void broadcast(const std::string& framed);
  bool flushed() const noexcept;
  /// Finds a connection again later; null when it has gone by then.
  std::function<MessageConnection*()> reference(const MessageConnection& connection) const;

  void on_ready(uint32_t events) override;
  void on_message(MessageConnection& connection, const std::string& message) override;
  void on_closed(MessageConnection& connection) override;

 private:
  void accept_one();

  EventLoop& loop_;
  Listener listener_;
  std::string socket_name_;
  UniqueFd listening_;
  std::vector<std::unique_ptr<MessageConnection>> connections_;
  uint64_t next_number_ = 1;
};

}  // namespace gantry::shim
