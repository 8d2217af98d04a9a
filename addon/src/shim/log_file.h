#pragma once

#include <cstdint>
#include <string>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// The file that a container's log lines are appended to, and its older generations `.1`, `.2` and so on.
/// A full disk never throws: what cannot be written is dropped, counted and reported in shim.log.
class LogFile {
 public:
  /// @param max_size bytes after which the file is rotated; negative for never
  /// @param max_files how many files are kept, this one included; at least 1
  /// @throws Error if the file cannot be opened
  LogFile(std::string path, int64_t max_size, int max_files);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Appends whole lines.
  void append(const char* lines, size_t length) noexcept;
  /// True when the file, with `pending` bytes more, has reached its size.
  bool full(size_t pending) const noexcept;
  /// Starts a new file. On failure the present one goes on for a while.
  void rotate() noexcept;
  /// Opens the path again after someone else has moved the file. @throws Error
  void reopen();
  /// Nothing is appended after this.
  void close() noexcept { file_.reset(); }
  uint64_t dropped_lines() const noexcept { return dropped_lines_; }

 private:
  void open_path();
  void end_broken_line() noexcept;
  void drop(const char* lines, size_t length, int error) noexcept;
  void report_recovery() noexcept;
  void shift_generations() noexcept;

  std::string path_;
  int64_t max_size_;
  int max_files_;
  UniqueFd file_;
  int64_t size_ = 0;
  int64_t next_rotation_ = 0;
  uint64_t dropped_lines_ = 0;
  bool failing_ = false;
};

}  // namespace gantry::shim
