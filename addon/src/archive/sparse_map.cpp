#include "archive/sparse_map.h"

#include <array>

#include "archive/tar_block.h"

namespace gantry::archive {
namespace {

constexpr size_t max_segments = 1 << 20;

void add_segment(TarEntry& entry, int64_t offset, int64_t length) {
  if (offset < 0 || length < 0 || entry.segments.size() >= max_segments) throw_malformed("sparse map");
  entry.segments.push_back({static_cast<uint64_t>(offset), static_cast<uint64_t>(length)});
}

/// Ascending, disjoint, inside the file, and together as long as the data that is stored.
void validate(TarEntry& entry) {
  uint64_t end = 0;
  uint64_t stored = 0;
  for (const Segment& segment : entry.segments) {
    if (segment.offset < end || segment.offset > entry.size || segment.length > entry.size - segment.offset) {
      throw_malformed("sparse map");
    }
    end = segment.offset + segment.length;
    stored += segment.length;
  }
  if (stored != entry.stored_size) throw_malformed("sparse map does not match the data");
  entry.sparse = true;
}

/// Offsets and lengths of one header or extension block. False at the first empty one, which ends the map.
bool add_gnu_segments(std::string_view fields, TarEntry& entry) {
  for (; fields.size() >= 24; fields.remove_prefix(24)) {
    if (fields[0] == '\0') return false;
    add_segment(entry, parse_number(fields.substr(0, 12), "sparse map"),
                parse_number(fields.substr(12, 12), "sparse map"));
  }
  return true;
}

/// One decimal line of a 1.0 map.
class MapReader {
 public:
  MapReader(ByteSource& source, TarEntry& entry) : source_(source), entry_(entry) {}

  int64_t number() {
    std::string digits;
    for (char next = get(); next != '\n'; next = get()) {
      if (digits.size() > 20) throw_malformed("sparse map");
      digits.push_back(next);
    }
    return parse_decimal(digits, "sparse map");
  }

 private:
  char get() {
    if (position_ == block_.size()) {
      if (entry_.stored_size < block_.size()) throw_malformed("sparse map");
      if (!source_.read_exact(block_.data(), block_.size())) throw_truncated();
      entry_.stored_size -= block_.size();
      position_ = 0;
    }
    return block_[position_++];
  }

  ByteSource& source_;
  TarEntry& entry_;
  std::array<char, block_size> block_{};
  size_t position_ = block_size;
};

void read_map_1_0(ByteSource& source, TarEntry& entry) {
  MapReader reader(source, entry);
  const int64_t count = reader.number();
  if (count > static_cast<int64_t>(max_segments)) throw_malformed("sparse map");
  for (int64_t i = 0; i < count; ++i) {
    const int64_t offset = reader.number();
    add_segment(entry, offset, reader.number());
  }
}

void read_map_0_1(std::string_view map, TarEntry& entry) {
  std::vector<int64_t> numbers;
  while (!map.empty()) {
    const size_t comma = map.find(',');
    numbers.push_back(parse_decimal(map.substr(0, comma), "sparse map"));
    map.remove_prefix(comma == std::string_view::npos ? map.size() : comma + 1);
  }
  if (numbers.size() % 2 != 0) throw_malformed("sparse map");
  for (size_t i = 0; i < numbers.size(); i += 2) add_segment(entry, numbers[i], numbers[i + 1]);
}

void read_map_0_0(const PaxRecords& records, TarEntry& entry) {
  int64_t offset = -1;
  for (const auto& [key, value] : records) {
    if (key == "GNU.sparse.offset") offset = parse_decimal(value, "sparse map");
    if (key == "GNU.sparse.numbytes") add_segment(entry, offset, parse_decimal(value, "sparse map"));
  }
}

}  // namespace

void read_gnu_sparse(std::string_view header, ByteSource& source, TarEntry& entry) {
  entry.size = static_cast<uint64_t>(parse_size(header.substr(483, 12), "size of a sparse file"));
  bool more = add_gnu_segments(header.substr(386, 4 * 24), entry) && header[482] != '\0';
  bool extended = header[482] != '\0';
  while (extended) {
    std::array<char, block_size> block;
    if (!source.read_exact(block.data(), block.size())) throw_truncated();
    if (more) more = add_gnu_segments({block.data(), 21 * 24}, entry);
    extended = block[504] != '\0';
    if (extended && !more) throw_malformed("sparse map");
  }
  validate(entry);
}

void read_pax_sparse(const PaxRecords& records, ByteSource& source, TarEntry& entry) {
  const auto major = find_record(records, "GNU.sparse.major");
  const auto map = find_record(records, "GNU.sparse.map");
  const auto blocks = find_record(records, "GNU.sparse.numblocks");
  if (!major && !map && !blocks) return;
  if (entry.type != EntryType::regular) throw_malformed("sparse map on something that is no regular file");

  auto size = find_record(records, "GNU.sparse.realsize");
  if (!size) size = find_record(records, "GNU.sparse.size");
  if (!size) throw_malformed("sparse file without its size");
  entry.size = static_cast<uint64_t>(parse_decimal(*size, "size of a sparse file"));
  if (const auto name = find_record(records, "GNU.sparse.name")) entry.name = *name;

  if (major && *major == "1") {
    read_map_1_0(source, entry);
  } else if (map) {
    read_map_0_1(*map, entry);
  } else if (blocks) {
    read_map_0_0(records, entry);
  } else {
    throw_malformed("sparse format " + std::string(*major) + " is not known");
  }
  validate(entry);
}

std::string format_sparse_map(const std::vector<Segment>& segments) {
  std::string map = std::to_string(segments.size()) + "\n";
  for (const Segment& segment : segments) {
    map.append(std::to_string(segment.offset)).append("\n").append(std::to_string(segment.length)).append("\n");
  }
  map.resize((map.size() + block_size - 1) / block_size * block_size);
  return map;
}

}  // namespace gantry::archive
