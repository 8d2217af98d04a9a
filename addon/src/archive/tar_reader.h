#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "archive/byte_source.h"
#include "archive/pax.h"
#include "archive/tar_entry.h"

namespace gantry::archive {

/// Reads v7, ustar, GNU and pax archives. Names are bytes: nothing is converted to a locale's character set, which is
/// why the headers are parsed here and libarchive is left the compression (it normalizes and converts names).
class TarReader {
 public:
  explicit TarReader(ByteSource& source) : source_(source) {}

  /// Goes to the next member, over what is left of this one's data. False at the end of the archive.
  bool next(TarEntry& entry);
  /// The next stored bytes of this member, at most `max`; empty after its last.
  std::string_view data(size_t max);

 private:
  struct Extensions {
    PaxRecords pax;
    std::string long_name;
    std::string long_link;
    bool any = false;
  };
  bool read_header(char* block);
  std::string read_extension(uint64_t size);
  void parse(std::string_view header, const Extensions& extensions, TarEntry& entry);
  void finish_member();

  ByteSource& source_;
  uint64_t remaining_ = 0;
  uint64_t padding_ = 0;
};

}  // namespace gantry::archive
