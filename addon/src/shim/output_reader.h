#pragma once

#include <cstddef>
#include <cstdint>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"
#include "shim/json_log.h"

namespace gantry::shim {

class OutputSink {
 public:
  virtual void on_output(Stream stream, const char* data, size_t length) = 0;
  /// Nothing more will come.
  virtual void on_output_end(Stream stream) = 0;

 protected:
  ~OutputSink() = default;
};

/// The reading end of a process's stdout or stderr: a pipe, or a terminal's master.
class OutputReader final : public EventHandler {
 public:
  OutputReader(EventLoop& loop, UniqueFd file, Stream stream, OutputSink& sink);
  ~OutputReader();

  /// Not reading holds the process back as soon as its pipe is full.
  void pause(bool paused);
  /// Takes what is there, ignoring pauses.
  void drain();
  /// Takes what is there and ends the stream even if others still hold it open.
  void finish();
  bool ended() const noexcept { return !file_; }
  Stream stream() const noexcept { return stream_; }
  void on_ready(uint32_t events) override;

  /// Gives back the memory of the buffer that all readers share.
  static void release_memory() noexcept;

 private:
  /// False when there is nothing to read at present, or ever again.
  bool read_once();
  void end();

  EventLoop& loop_;
  UniqueFd file_;
  Stream stream_;
  OutputSink& sink_;
  bool paused_ = false;
};

}  // namespace gantry::shim
