#pragma once

#include <string>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// How a container's run ended.
struct ExitRecord {
  int exit_code = 0;
  bool oom_killed = false;
  std::string started_at;
  std::string finished_at;
};

/// The place of `exit.json`. It takes its room on the disk when it is made: a container that has filled the disk can
/// still end, and be removed to make room again.
class ExitRecordFile {
 public:
  /// @throws Error
  explicit ExitRecordFile(const std::string& directory);
  /// Leaves nothing behind unless `publish` was called.
  ~ExitRecordFile();
  ExitRecordFile(const ExitRecordFile&) = delete;
  ExitRecordFile& operator=(const ExitRecordFile&) = delete;

  /// Writes the record and renames it into place; can be called again when it fails. @throws Error
  void publish(const ExitRecord& record);

 private:
  std::string path_;
  std::string temporary_;
  UniqueFd file_;
  bool published_ = false;
};

}  // namespace gantry::shim
