#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "shim/log_file.h"

namespace gantry::shim {

enum class Stream { kStdout = 1, kStderr = 2 };

/// Turns a container's output into Docker's json-file lines.
class JsonLog {
 public:
  /// A longer line is written in pieces of this size.
  static constexpr size_t kMaxLine = 16 * 1024;

  explicit JsonLog(LogFile& file) : file_(file) {}

  /// Logs what was read at once; all of it carries the present time. An unfinished last line is kept for later.
  void write(Stream stream, const char* data, size_t length) noexcept;
  /// Writes the unfinished last line, without a newline.
  void end(Stream stream) noexcept;
  /// Gives back memory that is only needed while there is output.
  void release_memory() noexcept;

 private:
  struct Suffix;

  std::string& unfinished(Stream stream) noexcept { return stream == Stream::kStdout ? stdout_ : stderr_; }
  /// Consumes one line, or a piece of a long one, from the front; 0 when there is no whole line.
  size_t write_line(const char* data, size_t length, const Suffix& suffix) noexcept;
  void put(const char* text, size_t length, const Suffix& suffix) noexcept;
  void flush() noexcept;

  LogFile& file_;
  std::string stdout_;
  std::string stderr_;
  std::unique_ptr<char[]> batch_;
  size_t used_ = 0;
};

}  // namespace gantry::shim
