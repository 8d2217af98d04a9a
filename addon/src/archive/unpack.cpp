#include "archive/unpack.h"

#include <fcntl.h>

#include "archive/archive_input.h"
#include "archive/entry_writer.h"
#include "archive/tar_reader.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// Padding after an archive is at most a tape record, 10 KiB by default; programs that write more exist.
constexpr uint64_t max_padding = 1 << 20;

}  // namespace

UnpackResult unpack(const Root& root, const std::string& path, int input, const UnpackOptions& options) {
  root.open(path, O_PATH | O_DIRECTORY);
  const uint64_t limit = options.max_bytes == 0 ? 0 : options.max_bytes * 2 + max_padding;
  ArchiveInput archive(input, limit, options.consumed);
  const UnpackResult result = unpack(root, path, archive.source(), options);
  archive.drain(max_padding);
  return result;
}

UnpackResult unpack(const Root& root, const std::string& path, ByteSource& source, const UnpackOptions& options) {
  TarReader reader(source);
  EntryWriter writer(root, path, options);
  UnpackResult result;
  TarEntry entry;
  while (reader.next(entry)) {
    if (options.max_entries != 0 && result.entries >= options.max_entries) {
      throw Error("unpack archive", EFBIG, "more than " + std::to_string(options.max_entries) + " entries");
    }
    writer.write(entry, reader);
    ++result.entries;
  }
  writer.finish();
  result.bytes = writer.bytes();
  return result;
}

}  // namespace gantry::archive
