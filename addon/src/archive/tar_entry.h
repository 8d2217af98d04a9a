#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gantry::archive {

/// The type flags of POSIX tar.
enum class EntryType : char {
  regular = '0',
  hard_link = '1',
  symbolic_link = '2',
  character_device = '3',
  block_device = '4',
  directory = '5',
  fifo = '6',
};

/// A stretch of data in a sparse file.
struct Segment {
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct Time {
  int64_t seconds = 0;
  int32_t nanoseconds = 0;
};

/// One member of an archive, its names as raw bytes.
struct TarEntry {
  EntryType type = EntryType::regular;
  std::string name;
  std::string link;
  uint32_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  Time mtime;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
  /// Bytes of data that follow in the archive.
  uint64_t stored_size = 0;
  /// The file's length: stored_size unless it is sparse.
  uint64_t size = 0;
  bool sparse = false;
  /// Where the stored data belongs, ascending and disjoint; only for sparse files.
  std::vector<Segment> segments;
};

}  // namespace gantry::archive
