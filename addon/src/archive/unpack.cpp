#include "archive/unpack.h"

#include <fcntl.h>

#include "archive/entry_writer.h"
#include "archive/tar_reader.h"

namespace gantry::archive {
namespace {

/// Padding after an archive is at most a tape record, 10 KiB by default; programs that write more exist.
constexpr uint64_t max_padding = 1 << 20;

}  // namespace

UnpackResult unpack(const Root& root, const std::string& path, int input, const UnpackOptions& options) {
  root.open(path, O_PATH | O_DIRECTORY);
  ByteSource source(input, options.max_bytes == 0 ? 0 : options.max_bytes * 2 + max_padding);
  TarReader reader(source);
  EntryWriter writer(root, path, options);
  UnpackResult result;
  TarEntry entry;
  while (reader.next(entry)) {
    writer.write(entry, reader);
    ++result.entries;
  }
  writer.finish();
  source.drain(max_padding);
  result.bytes = writer.bytes();
  return result;
}

}  // namespace gantry::archive
