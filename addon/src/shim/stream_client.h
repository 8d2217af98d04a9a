#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"
#include "shim/json_log.h"
#include "shim/message_connection.h"

namespace gantry::shim {

class StreamClient;

/// Which streams a client asked for.
struct StreamSelection {
  bool input = false;
  bool output = false;
  bool error = false;
};

/// Who feeds a client and takes its input.
class StreamClientOwner {
 public:
  virtual void on_client_input(StreamClient& client, const char* data, size_t length) = 0;
  /// The client will send no more input; it may still read.
  virtual void on_client_input_end(StreamClient& client) = 0;
  /// The client has taken what was kept for it.
  virtual void on_client_drained(StreamClient& client) = 0;
  /// The connection is closed. Called once.
  virtual void on_client_closed(StreamClient& client) = 0;

 protected:
  ~StreamClientOwner() = default;
};

/// The raw end of an attach or exec connection: output goes to the peer, input comes from it.
class StreamClient final : public EventHandler {
 public:
  /// Beyond this much kept for a client that does not read, its process is held back.
  static constexpr size_t kMaxKept = 1024 * 1024;

  /// @param multiplexed put Docker's 8-byte header before each piece of output
  StreamClient(EventLoop& loop, MessageConnection::Remains remains, StreamSelection selection, bool multiplexed,
               StreamClientOwner& owner);
  ~StreamClient();

  /// Delivers what came along with the connection; call once when the owner is ready for it.
  void begin();
  void send(Stream stream, const char* data, size_t length);
  /// Closes the connection when everything kept has been taken.
  void finish();
  void pause_input(bool paused);
  void close();

  bool takes(Stream stream) const noexcept { return stream == Stream::kStdout ? selection_.output : selection_.error; }
  bool full() const noexcept { return kept_.size() - sent_ > kMaxKept; }
  bool closed() const noexcept { return !socket_; }
  bool gives_input() const noexcept { return selection_.input; }
  void on_ready(uint32_t events) override;

 private:
  void receive();
  void end_input();
  void flush();
  void output_failed();
  void update_interest();

  EventLoop& loop_;
  UniqueFd socket_;
  StreamSelection selection_;
  bool multiplexed_;
  StreamClientOwner& owner_;
  std::string early_input_;
  std::string kept_;
  size_t sent_ = 0;
  bool input_ended_ = false;
  bool input_paused_ = false;
  bool output_broken_ = false;
  bool finishing_ = false;
};

}  // namespace gantry::shim
