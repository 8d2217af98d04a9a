#include "shim/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "isolation/error.h"
#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

constexpr int64_t kRotationRetryBytes = 256 * 1024;

std::string generation(const std::string& path, int number) { return path + "." + std::to_string(number); }

}  // namespace

LogFile::LogFile(std::string path, int64_t max_size, int max_files)
    : path_(std::move(path)), max_size_(max_size), max_files_(std::max(max_files, 1)) {
  open_path();
}

LogFile::~LogFile() {
  if (failing_) diagnose("%s: %llu lines were lost", path_.c_str(), static_cast<unsigned long long>(dropped_lines_));
}

void LogFile::open_path() {
  UniqueFd file(open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!file) throw Error("open log " + path_);
  struct stat status {};
  check(fstat(file.get(), &status), "stat log");
  file_ = std::move(file);
  size_ = status.st_size;
  next_rotation_ = max_size_;
  end_broken_line();
}

/// A shim or a machine that died while writing may have left half a line; the next one must not be glued to it.
void LogFile::end_broken_line() noexcept {
  char last = '\n';
  if (size_ > 0 && pread(file_.get(), &last, 1, size_ - 1) == 1 && last != '\n') append("\n", 1);
}

void LogFile::append(const char* lines, size_t length) noexcept {
  size_t done = 0;
  while (done < length) {
    ssize_t written = write(file_.get(), lines + done, length - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      int error = written < 0 ? errno : ENOSPC;
      // Keep whole lines only: cut back to the end of the last one that went in.
      auto last = static_cast<const char*>(done > 0 ? memrchr(lines, '\n', done) : nullptr);
      size_t kept = last ? static_cast<size_t>(last - lines) + 1 : 0;
      if (kept < done && ftruncate(file_.get(), size_ + static_cast<int64_t>(kept)) < 0) kept = done;
      size_ += static_cast<int64_t>(kept);
      return drop(lines + kept, length - kept, error);
    }
    done += static_cast<size_t>(written);
  }
  size_ += static_cast<int64_t>(length);
  if (failing_) report_recovery();
}

void LogFile::drop(const char* lines, size_t length, int error) noexcept {
  dropped_lines_ += static_cast<uint64_t>(std::count(lines, lines + length, '\n'));
  if (!failing_)
    diagnose("write %s: %s; lines are dropped until it works again", path_.c_str(), strerrordesc_np(error));
  failing_ = true;
}

void LogFile::report_recovery() noexcept {
  failing_ = false;
  diagnose("write %s: works again; %llu lines were lost so far", path_.c_str(),
           static_cast<unsigned long long>(dropped_lines_));
}

bool LogFile::full(size_t pending) const noexcept {
  return max_size_ >= 0 && size_ + static_cast<int64_t>(pending) >= next_rotation_ &&
         size_ + static_cast<int64_t>(pending) > 0;
}

void LogFile::shift_generations() noexcept {
  for (int number = max_files_ - 1; number > 1; --number)
    rename(generation(path_, number - 1).c_str(), generation(path_, number).c_str());
  // A reader that has the old file open can read it to its end: it is replaced, never cut.
  if (max_files_ > 1)
    rename(path_.c_str(), generation(path_, 1).c_str());
  else
    unlink(path_.c_str());
}

void LogFile::rotate() noexcept {
  UniqueFd old = std::move(file_);
  int64_t old_size = size_;
  shift_generations();
  try {
    open_path();
  } catch (const Error& error) {
    diagnose("rotate: %s", error.what());
    file_ = std::move(old);
    size_ = old_size;
    next_rotation_ = old_size + kRotationRetryBytes;
  }
}

void LogFile::reopen() { open_path(); }

}  // namespace gantry::shim
