#include "archive/tar_writer.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "archive/pax.h"
#include "archive/sparse_map.h"
#include "archive/tar_block.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t buffer_size = 1 << 18;
/// Below this, copying into the buffer costs less than a system call more.
constexpr uint64_t min_sendfile = 1 << 17;
constexpr int64_t max_octal_id = 07777777;
constexpr uint64_t max_octal_size = 077777777777;

struct Names {
  std::string_view name;
  std::string_view prefix;
  bool fits = true;
};

/// Splits a name over ustar's two fields, at a slash.
Names split(std::string_view name) {
  if (name.size() <= 100) return {name, {}, true};
  if (name.size() <= 256) {
    const size_t slash = name.find('/', name.size() - 101);
    if (slash != std::string_view::npos && slash > 0 && slash <= 155 && slash + 1 < name.size()) {
      return {name.substr(slash + 1), name.substr(0, slash), true};
    }
  }
  return {name.substr(0, 100), {}, false};
}

class HeaderBlock {
 public:
  void text(size_t offset, size_t size, std::string_view value) {
    std::copy_n(value.begin(), std::min(size, value.size()), block_.begin() + static_cast<long>(offset));
  }
  /// Octal with a NUL at the end; 0 for what does not fit, which an extended header then says.
  void number(size_t offset, size_t size, uint64_t value) {
    const uint64_t limit = uint64_t{1} << (3 * (size - 1));
    char digits[24];
    std::snprintf(digits, sizeof digits, "%0*llo", static_cast<int>(size) - 1,
                  static_cast<unsigned long long>(value < limit ? value : 0));
    std::memcpy(block_.data() + offset, digits, size);
  }
  std::string_view finish() {
    text(257, 8, std::string_view("ustar\00000", 8));
    number(148, 7, static_cast<uint64_t>(checksum(view())));
    block_[155] = ' ';
    return view();
  }

 private:
  std::string_view view() const { return {block_.data(), block_.size()}; }
  std::array<char, block_size> block_{};
};

std::string extended_records(const TarEntry& entry, bool name_fits, uint64_t member_size) {
  std::string records;
  const auto add = [&](std::string_view key, std::string_view value) { records += format_pax_record(key, value); };
  if (entry.sparse) {
    add("GNU.sparse.major", "1");
    add("GNU.sparse.minor", "0");
    add("GNU.sparse.name", entry.name);
    add("GNU.sparse.realsize", std::to_string(entry.size));
  }
  if (!name_fits) add("path", entry.name);
  if (entry.link.size() > 100) add("linkpath", entry.link);
  if (member_size > max_octal_size) add("size", std::to_string(member_size));
  if (entry.uid > max_octal_id) add("uid", std::to_string(entry.uid));
  if (entry.gid > max_octal_id) add("gid", std::to_string(entry.gid));
  if (entry.mtime.seconds < 0 || entry.mtime.seconds > static_cast<int64_t>(max_octal_size)) {
    add("mtime", std::to_string(entry.mtime.seconds));
  }
  for (const auto& [name, value] : entry.xattrs) add("SCHILY.xattr." + name, value);
  return records;
}

}  // namespace

TarWriter::TarWriter(int fd) : fd_(fd) { buffer_.reserve(buffer_size); }

void TarWriter::begin(const TarEntry& entry) {
  const std::string map = entry.sparse ? format_sparse_map(entry.segments) : std::string();
  member_size_ = map.size() + entry.stored_size;
  const Names names = split(entry.name);
  const std::string records = extended_records(entry, names.fits, member_size_);
  if (!records.empty()) extended_header(records, entry.name);

  HeaderBlock header;
  header.text(0, 100, names.name);
  header.number(100, 8, entry.mode);
  header.number(108, 8, static_cast<uint64_t>(entry.uid));
  header.number(116, 8, static_cast<uint64_t>(entry.gid));
  header.number(124, 12, member_size_);
  header.number(136, 12, entry.mtime.seconds < 0 ? 0 : static_cast<uint64_t>(entry.mtime.seconds));
  header.text(156, 1, std::string(1, static_cast<char>(entry.type)));
  header.text(157, 100, entry.link);
  header.number(329, 8, entry.device_major);
  header.number(337, 8, entry.device_minor);
  header.text(345, 155, names.prefix);
  append(header.finish());
  append(map);
}

void TarWriter::extended_header(const std::string& records, const std::string& name) {
  HeaderBlock header;
  // Only programs that know nothing of pax ever see this name.
  header.text(0, 100, "PaxHeaders.0/" + name.substr(0, 80));
  header.number(100, 8, 0644);
  header.number(108, 8, 0);
  header.number(116, 8, 0);
  header.number(124, 12, records.size());
  header.number(136, 12, 0);
  header.text(156, 1, "x");
  append(header.finish());
  append(records);
  append(std::string((block_size - records.size() % block_size) % block_size, '\0'));
}

void TarWriter::data(std::string_view bytes) { append(bytes); }

void TarWriter::data_from(int file, uint64_t offset, uint64_t length) {
  auto position = static_cast<off_t>(offset);
  bool direct = length >= min_sendfile;
  if (direct) flush();
  while (length > 0) {
    ssize_t done;
    if (direct) {
      done = sendfile(fd_, file, &position, std::min<uint64_t>(length, 1 << 30));
      if (done < 0 && (errno == EINVAL || errno == ENOSYS)) {
        direct = false;
        continue;
      }
    } else {
      if (buffer_.size() >= buffer_size) flush();
      const size_t before = buffer_.size();
      const size_t wanted = std::min<uint64_t>(length, buffer_size - before);
      buffer_.resize(before + wanted);
      done = pread(file, buffer_.data() + before, wanted, position);
      buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(done, 0)));
      if (done > 0) position += done;
    }
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw Error("write archive");
    if (done == 0) throw Error("write archive", 0, "a file became shorter while it was read");
    length -= static_cast<uint64_t>(done);
  }
}

void TarWriter::end() {
  append(std::string((block_size - member_size_ % block_size) % block_size, '\0'));
  member_size_ = 0;
}

void TarWriter::finish() {
  append(std::string(2 * block_size, '\0'));
  flush();
}

void TarWriter::append(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > buffer_size) flush();
  if (bytes.size() > buffer_size) {
    write_all(bytes);
  } else {
    buffer_.append(bytes);
  }
}

void TarWriter::flush() {
  write_all(buffer_);
  buffer_.clear();
}

void TarWriter::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw Error("write archive");
    bytes.remove_prefix(static_cast<size_t>(done));
  }
}

}  // namespace gantry::archive
