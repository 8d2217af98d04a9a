#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "isolation/unique_fd.h"
#include "shim/event_loop.h"

namespace gantry::shim {

/// The writing end of a process's stdin: a pipe, or a terminal's master. What the process does not take yet is kept,
/// and whoever feeds it stops until `on_drained`.
class InputWriter final : public EventHandler {
 public:
  /// @param on_drained called when everything kept has been taken, or nobody will take it any more
  InputWriter(EventLoop& loop, UniqueFd file, std::function<void()> on_drained);
  ~InputWriter();

  /// Accepts all of it; false if some had to be kept.
  bool write(const char* data, size_t length);
  /// Closes as soon as everything kept has been written.
  void close_when_drained();
  bool closed() const noexcept { return !file_; }
  bool drained() const noexcept { return pending_.empty(); }
  void on_ready(uint32_t events) override;

 private:
  void flush();
  void close();

  EventLoop& loop_;
  UniqueFd file_;
  std::function<void()> on_drained_;
  std::string pending_;
  bool watched_ = false;
  bool closing_ = false;
};

}  // namespace gantry::shim
