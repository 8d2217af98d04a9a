#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "archive/tar_entry.h"

namespace gantry::archive {

/// Writes a pax archive to a descriptor, with extended headers only where ustar cannot say it ("restricted pax"). Times
/// are cut to seconds, as Docker does, so that the common file costs one header block.
class TarWriter {
 public:
  explicit TarWriter(int fd);

  /// Starts a member; exactly entry.stored_size bytes of data have to follow. The map of a sparse one is written here.
  void begin(const TarEntry& entry);
  void data(std::string_view bytes);
  /// Sends `length` bytes of a file from `offset`. A file that has become shorter is an Error.
  void data_from(int file, uint64_t offset, uint64_t length);
  /// Pads the member's data.
  void end();
  /// Writes the end of the archive and everything that is buffered.
  void finish();

 private:
  void append(std::string_view bytes);
  void flush();
  void write_all(std::string_view bytes);
  void extended_header(const std::string& records, const std::string& name);

  int fd_;
  std::string buffer_;
  uint64_t member_size_ = 0;
};

}  // namespace gantry::archive
