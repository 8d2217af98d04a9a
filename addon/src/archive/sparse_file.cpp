#include "archive/sparse_file.h"

#include <unistd.h>

#include <cerrno>

namespace gantry::archive {
namespace {
constexpr uint64_t min_holes = 1 << 20;
constexpr size_t max_segments = 1 << 16;
}  // namespace

void find_segments(int file, const struct stat& status, TarEntry& entry) {
  const auto size = static_cast<uint64_t>(status.st_size);
  if (static_cast<uint64_t>(status.st_blocks) * 512 + min_holes > size) return;
  std::vector<Segment> segments;
  uint64_t stored = 0;
  for (off_t position = 0; position < status.st_size;) {
    const off_t data = lseek(file, position, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole to the end
    const off_t hole = data < 0 ? -1 : lseek(file, data, SEEK_HOLE);
    if (hole < 0 || segments.size() >= max_segments) return;  // not known here, or not worth it
    if (data >= status.st_size) break;
    const off_t end = hole < status.st_size ? hole : status.st_size;  // it may be growing
    segments.push_back({static_cast<uint64_t>(data), static_cast<uint64_t>(end - data)});
    stored += segments.back().length;
    position = hole;
  }
  if (stored + min_holes > size) return;
  // GNU tar wants to find the end of the file in the map.
  if (segments.empty() || segments.back().offset + segments.back().length < size) segments.push_back({size, 0});
  entry.sparse = true;
  entry.stored_size = stored;
  entry.segments = std::move(segments);
}

}  // namespace gantry::archive
