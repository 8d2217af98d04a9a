#include "archive/tar_reader.h"

#include <algorithm>
#include <array>

#include "archive/path.h"
#include "archive/sparse_map.h"
#include "archive/tar_block.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// Of a pax header or a GNU long name. Go's archive/tar, and with it Docker, draws the same line.
constexpr uint64_t max_extension = 1 << 20;

constexpr std::string_view xattr_prefix = "SCHILY.xattr.";

bool all_zero(std::string_view block) {
  return std::all_of(block.begin(), block.end(), [](char byte) { return byte == 0; });
}

uint64_t padding_of(uint64_t size) { return (block_size - size % block_size) % block_size; }

/// The name in front of ustar's, whose field GNU and old archives use for other things.
std::string_view name_prefix(std::string_view header) {
  if (header.substr(257, 6) != std::string_view("ustar\0", 6)) return {};
  const bool star = header.substr(508, 4) == std::string_view("tar\0", 4);
  return parse_text(header.substr(345, star ? 131 : 155));
}

bool has_devices(std::string_view header) { return header.substr(257, 5) == "ustar"; }

EntryType type_of(char flag, std::string_view name) {
  switch (flag) {
    case '\0':  // v7 has no type for directories, only the slash
      return !name.empty() && name.back() == '/' ? EntryType::directory : EntryType::regular;
    case '0':
    case '7':  // contiguous file
    case 'S':
      return EntryType::regular;
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
      return static_cast<EntryType>(flag);
    default:
      throw Error("read archive", 0, std::string("unhandled tar header type ") + std::to_string(flag));
  }
}

void check_name(const std::string& name, const char* what) {
  if (name.find('\0') != std::string::npos) throw_malformed(what);
}

void apply_pax(const PaxRecords& records, TarEntry& entry) {
  if (const auto value = find_record(records, "path")) entry.name = *value;
  if (const auto value = find_record(records, "linkpath")) entry.link = *value;
  if (const auto value = find_record(records, "uid")) entry.uid = parse_decimal(*value, "user id", true);
  if (const auto value = find_record(records, "gid")) entry.gid = parse_decimal(*value, "group id", true);
  if (const auto value = find_record(records, "mtime")) entry.mtime = parse_pax_time(*value);
  if (const auto value = find_record(records, "size")) {
    entry.stored_size = static_cast<uint64_t>(parse_decimal(*value, "size"));
  }
  for (const auto& [key, value] : records) {
    if (std::string_view(key).substr(0, xattr_prefix.size()) != xattr_prefix) continue;
    entry.xattrs.emplace_back(key.substr(xattr_prefix.size()), value);
  }
}

}  // namespace

bool TarReader::next(TarEntry& entry) {
  finish_member();
  Extensions extensions;
  std::array<char, block_size> block;
  const std::string_view header(block.data(), block.size());
  while (read_header(block.data())) {
    const char flag = header[156];
    const auto size = static_cast<uint64_t>(parse_size(header.substr(124, 12), "size"));
    switch (flag) {
      case 'x':
        extensions.pax = parse_pax(read_extension(size));
        break;
      case 'g':  // defaults for all members; only comments are seen in practice, and Docker ignores them too
        read_extension(size);
        continue;
      case 'L':
        extensions.long_name = parse_text(read_extension(size));
        break;
      case 'K':
        extensions.long_link = parse_text(read_extension(size));
        break;
      default:
        parse(header, extensions, entry);
        return true;
    }
    extensions.any = true;
  }
  if (extensions.any) throw_truncated();
  return false;
}

bool TarReader::read_header(char* block) {
  if (!source_.read_exact(block, block_size)) return false;
  const std::string_view header(block, block_size);
  if (all_zero(header)) {
    // Two zero blocks are the end; a file that ends after the first is accepted everywhere.
    if (source_.read_exact(block, block_size) && !all_zero(header)) throw_malformed("data after a zero block");
    return false;
  }
  if (!checksum_matches(header)) throw_malformed("wrong checksum");
  return true;
}

std::string TarReader::read_extension(uint64_t size) {
  if (size > max_extension) throw_malformed("extended header is too long");
  std::string body(size, '\0');
  if (size > 0 && !source_.read_exact(body.data(), size)) throw_truncated();
  source_.skip(padding_of(size));
  return body;
}

void TarReader::parse(std::string_view header, const Extensions& extensions, TarEntry& entry) {
  entry = TarEntry();
  entry.name = join(name_prefix(header), parse_text(header.substr(0, 100)));
  entry.link = parse_text(header.substr(157, 100));
  entry.mode = static_cast<uint32_t>(parse_number(header.substr(100, 8), "mode")) & 07777;
  entry.uid = parse_number(header.substr(108, 8), "user id");
  entry.gid = parse_number(header.substr(116, 8), "group id");
  entry.stored_size = static_cast<uint64_t>(parse_size(header.substr(124, 12), "size"));
  entry.mtime.seconds = parse_number(header.substr(136, 12), "time");
  if (has_devices(header)) {
    entry.device_major = static_cast<uint32_t>(parse_number(header.substr(329, 8), "device"));
    entry.device_minor = static_cast<uint32_t>(parse_number(header.substr(337, 8), "device"));
  }
  if (!extensions.long_name.empty()) entry.name = extensions.long_name;
  if (!extensions.long_link.empty()) entry.link = extensions.long_link;
  apply_pax(extensions.pax, entry);
  entry.type = type_of(header[156], entry.name);
  if (entry.type != EntryType::regular) entry.stored_size = 0;

  entry.size = entry.stored_size;
  padding_ = padding_of(entry.stored_size);
  if (header[156] == 'S') read_gnu_sparse(header, source_, entry);
  read_pax_sparse(extensions.pax, source_, entry);
  remaining_ = entry.stored_size;
  check_name(entry.name, "name with a NUL");
  check_name(entry.link, "link with a NUL");
}

std::string_view TarReader::data(size_t max) {
  if (remaining_ == 0) return {};
  const std::string_view part = source_.take(static_cast<size_t>(std::min<uint64_t>(max, remaining_)));
  if (part.empty()) throw_truncated();
  remaining_ -= part.size();
  return part;
}

void TarReader::finish_member() {
  source_.skip(remaining_);
  // Programs that leave out the last member's padding exist; Go accepts them as well.
  while (padding_ > 0) {
    const std::string_view part = source_.take(static_cast<size_t>(padding_));
    if (part.empty()) break;
    padding_ -= part.size();
  }
  remaining_ = padding_ = 0;
}

}  // namespace gantry::archive
