#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"
#include "shim/framing.h"

namespace gantry::shim {

class MessageConnection;

/// Who reads the messages of a connection.
class MessageListener {
 public:
  /// May take the socket of the connection, which then ends.
  virtual void on_message(MessageConnection& connection, const std::string& message) = 0;
  /// The peer is gone or was dropped, or the socket was taken. Called once; the connection must not be used afterwards.
  virtual void on_closed(MessageConnection& connection) = 0;

 protected:
  ~MessageListener() = default;
};

/// A socket that speaks framed JSON. A peer that breaks the framing, or does not read its answers, is dropped.
class MessageConnection final : public EventHandler {
 public:
  MessageConnection(EventLoop& loop, UniqueFd socket, MessageListener& listener);
  ~MessageConnection();

  void send(const std::string& framed);
  void on_ready(uint32_t events) override;
  void close();
  /// Reads no more messages; closes when everything has been sent.
  void close_when_flushed();
  bool flushed() const noexcept { return unsent_.empty(); }

  /// Gives the socket away for raw use, with what was read beyond the last message and what is still to be sent.
  struct Remains {
    UniqueFd socket;
    std::string input;
    std::string output;
  };
  Remains take();

  uint64_t number = 0;
  bool is_control = false;
  EventLoop::TimerId silence_timer = 0;

 private:
  void receive();
  void flush();

  EventLoop& loop_;
  UniqueFd socket_;
  MessageListener& listener_;
  MessageReader reader_;
  std::string unsent_;
  bool closing_ = false;
};

}  // namespace gantry::shim
