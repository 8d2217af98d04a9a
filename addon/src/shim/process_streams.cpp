#include "shim/process_streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "isolation/error.h"

namespace gantry::shim {

ProcessStreams::ProcessStreams(EventLoop& loop, OwnEnds ends, const Options& options) : loop_(loop), options_(options) {
  if (options_.terminal) terminal_.reset(check(fcntl(ends.output.get(), F_DUPFD_CLOEXEC, 3), "duplicate terminal"));
  if (ends.input) {
    input_ = std::make_unique<InputWriter>(loop_, std::move(ends.input), [this] { pause_clients(false); });
  }
  if (ends.output) output_ = std::make_unique<OutputReader>(loop_, std::move(ends.output), Stream::kStdout, *this);
  if (ends.error) error_ = std::make_unique<OutputReader>(loop_, std::move(ends.error), Stream::kStderr, *this);
}

void ProcessStreams::add_client(MessageConnection::Remains remains, StreamSelection selection) {
  clients_.push_back(std::make_unique<StreamClient>(loop_, std::move(remains), selection, !options_.terminal, *this));
  StreamClient& client = *clients_.back();
  if (input_ && !input_->drained()) client.pause_input(true);
  client.begin();
}

void ProcessStreams::on_output_ended(std::function<void()> action) {
  output_ended_action_ = std::move(action);
  if (output_ended()) loop_.defer(std::exchange(output_ended_action_, nullptr));
}

void ProcessStreams::on_clients_done(std::function<void()> action) {
  clients_done_action_ = std::move(action);
  sweep_clients();
}

bool ProcessStreams::output_ended() const noexcept {
  return (!output_ || output_->ended()) && (!error_ || error_->ended());
}

void ProcessStreams::on_output(Stream stream, const char* data, size_t length) {
  if (options_.log) options_.log->write(stream, data, length);
  for (size_t index = 0; index < clients_.size(); ++index) clients_[index]->send(stream, data, length);
  hold_back();
}

void ProcessStreams::on_output_end(Stream stream) {
  if (options_.log) options_.log->end(stream);
  if (options_.terminal && input_) input_->close_when_drained();
  if (output_ended() && output_ended_action_) loop_.defer(std::exchange(output_ended_action_, nullptr));
}

/// Stops reading a stream while one of its clients has enough to do, as its pipe would.
void ProcessStreams::hold_back() {
  for (OutputReader* reader : {output_.get(), error_.get()}) {
    if (!reader) continue;
    reader->pause(std::any_of(clients_.begin(), clients_.end(), [&](const auto& client) {
      return !client->closed() && client->takes(reader->stream()) && client->full();
    }));
  }
}

void ProcessStreams::drain_output() {
  if (output_) output_->drain();
  if (error_) error_->drain();
}

void ProcessStreams::finish_output() {
  if (output_) output_->finish();
  if (error_) error_->finish();
}

void ProcessStreams::finish_clients() {
  for (size_t index = 0; index < clients_.size(); ++index) clients_[index]->finish();
}

void ProcessStreams::close_clients() {
  for (size_t index = 0; index < clients_.size(); ++index) clients_[index]->close();
}

void ProcessStreams::on_client_input(StreamClient& client, const char* data, size_t length) {
  if (!input_ || !client.gives_input()) return;
  if (!input_->write(data, length)) pause_clients(true);
}

void ProcessStreams::on_client_input_end(StreamClient& client) {
  // A terminal has no end of input: the user types it.
  if (input_ && client.gives_input() && options_.input_once && !options_.terminal) input_->close_when_drained();
}

void ProcessStreams::on_client_drained(StreamClient&) { hold_back(); }

void ProcessStreams::on_client_closed(StreamClient& client) {
  on_client_input_end(client);
  hold_back();
  loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) sweep_clients();
  });
}

void ProcessStreams::sweep_clients() {
  clients_.erase(std::remove_if(clients_.begin(), clients_.end(), [](const auto& client) { return client->closed(); }),
                 clients_.end());
  if (clients_.empty() && clients_done_action_) loop_.defer(std::exchange(clients_done_action_, nullptr));
}

void ProcessStreams::pause_clients(bool paused) {
  for (auto& client : clients_) {
    if (client->gives_input()) client->pause_input(paused);
  }
}

void ProcessStreams::resize(unsigned width, unsigned height) {
  if (!terminal_) throw Error("resize", ENOTTY);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(std::min(width, 65535U));
  size.ws_row = static_cast<unsigned short>(std::min(height, 65535U));
  check(ioctl(terminal_.get(), TIOCSWINSZ, &size), "resize terminal");
}

}  // namespace gantry::shim
