#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "shim/input_writer.h"
#include "shim/json_log.h"
#include "shim/output_reader.h"
#include "shim/process_stdio.h"
#include "shim/stream_client.h"

namespace gantry::shim {

/// Everything that flows in and out of one process: its output to the log and to all clients, their input to its stdin.
class ProcessStreams final : public OutputSink, public StreamClientOwner {
 public:
  struct Options {
    bool terminal = false;
    /// The first client to end its input closes the process's stdin.
    bool input_once = false;
    /// May be null.
    JsonLog* log = nullptr;
  };

  ProcessStreams(EventLoop& loop, OwnEnds ends, const Options& options);

  void add_client(MessageConnection::Remains remains, StreamSelection selection);
  /// Calls `action` once when all output has been read to its end.
  void on_output_ended(std::function<void()> action);
  /// Calls `action` once when every client has taken its output and is closed.
  void on_clients_done(std::function<void()> action);
  /// Reads what is there at once, also for clients that are slow.
  void drain_output();
  /// Reads what is left and ends the output although someone still holds it open.
  void finish_output();
  /// Lets the clients take what is kept for them, then closes their connections.
  void finish_clients();
  void close_clients();
  /// @throws Error without a terminal
  void resize(unsigned width, unsigned height);

  void on_output(Stream stream, const char* data, size_t length) override;
  void on_output_end(Stream stream) override;
  void on_client_input(StreamClient& client, const char* data, size_t length) override;
  void on_client_input_end(StreamClient& client) override;
  void on_client_drained(StreamClient& client) override;
  void on_client_closed(StreamClient& client) override;

 private:
  bool output_ended() const noexcept;
  void hold_back();
  void pause_clients(bool paused);
  void sweep_clients();

  EventLoop& loop_;
  Options options_;
  UniqueFd terminal_;
  std::unique_ptr<InputWriter> input_;
  std::unique_ptr<OutputReader> output_;
  std::unique_ptr<OutputReader> error_;
  std::vector<std::unique_ptr<StreamClient>> clients_;
  std::function<void()> output_ended_action_;
  std::function<void()> clients_done_action_;
  /// Deferred work must not run when this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace gantry::shim
