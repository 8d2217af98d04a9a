#include "archive/archive_sniff.h"

#include <unistd.h>

#include <algorithm>

#include "archive/archive_input.h"
#include "archive/tar_block.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

bool begins_as_archive(int file) {
  try {
    ArchiveInput input(file, 0);
    char block[block_size];
    if (!input.source().read_exact(block, sizeof block)) return false;
    const std::string_view header(block, sizeof block);
    const bool is_empty = std::all_of(header.begin(), header.end(), [](char byte) { return byte == 0; });
    return !is_empty && checksum_matches(header);
  } catch (const Error&) {
    return false;  // too short, or damaged: whatever it is, it is copied as it is
  }
}

}  // namespace

bool is_archive(int file) {
  const bool result = begins_as_archive(file);
  check(lseek(file, 0, SEEK_SET), "rewind file");
  return result;
}

}  // namespace gantry::archive
