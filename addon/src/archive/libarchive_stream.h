#pragma once

#include <optional>
#include <vector>

#include "archive/compression.h"
#include "isolation/error.h"

struct archive;

namespace gantry::archive {

/// Takes bzip2, xz and zstd off: libarchive's filter over a stream, its "raw" format giving the uncompressed bytes.
class LibarchiveStream final : public ByteStream {
 public:
  LibarchiveStream(ByteStream& input, Compression compression);
  ~LibarchiveStream() override;
  size_t read(char* out, size_t size) override;

 private:
  static long read_callback(::archive* reader, void* data, const void** out);
  void open(Compression compression);
  [[noreturn]] void fail();

  ByteStream& input_;
  std::vector<char> buffer_;
  ::archive* reader_ = nullptr;
  std::optional<Error> input_error_;
  bool ended_ = false;
};

}  // namespace gantry::archive
