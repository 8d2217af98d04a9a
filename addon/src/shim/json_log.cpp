#include "shim/json_log.h"

#include <algorithm>
#include <cstring>

#include "shim/json_text.h"
#include "shim/timestamp.h"

namespace gantry::shim {
namespace {

constexpr size_t kBatchSize = 256 * 1024;
constexpr char kPrefix[] = "{\"log\":\"";
constexpr char kStdoutSuffix[] = "\",\"stream\":\"stdout\",\"time\":\"";
constexpr char kStderrSuffix[] = "\",\"stream\":\"stderr\",\"time\":\"";
constexpr char kEnd[] = "\"}\n";

/// Where to cut a long line so that no character is torn in two.
size_t piece_length(const char* line) noexcept {
  size_t cut = JsonLog::kMaxLine;
  for (size_t back = 1; back <= 3; ++back) {
    auto byte = static_cast<unsigned char>(line[cut - back]);
    if ((byte & 0xc0) == 0x80) continue;
    size_t wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wanted > back ? cut - back : cut;
  }
  return cut;
}

}  // namespace

/// What follows the text of every line of one read: the same stream, the same time.
struct JsonLog::Suffix {
  char text[sizeof kStdoutSuffix + kTimestampLength + sizeof kEnd];
  size_t length = 0;

  explicit Suffix(Stream stream) noexcept {
    append(stream == Stream::kStdout ? kStdoutSuffix : kStderrSuffix, sizeof kStdoutSuffix - 1);
    length += write_timestamp(now(), text + length);
    append(kEnd, sizeof kEnd - 1);
  }
  void append(const char* part, size_t size) noexcept {
    std::memcpy(text + length, part, size);
    length += size;
  }
};

void JsonLog::write(Stream stream, const char* data, size_t length) noexcept {
  Suffix suffix(stream);
  std::string& pending = unfinished(stream);
  while (!pending.empty() && length > 0) {
    size_t room = kMaxLine - pending.size();
    auto newline = static_cast<const char*>(memchr(data, '\n', std::min(room, length)));
    size_t take = newline ? static_cast<size_t>(newline - data) + 1 : std::min(room, length);
    pending.append(data, take);
    data += take;
    length -= take;
    size_t consumed = write_line(pending.data(), pending.size(), suffix);
    pending.erase(0, consumed);
  }
  while (size_t consumed = write_line(data, length, suffix)) {
    data += consumed;
    length -= consumed;
  }
  pending.append(data, length);
  flush();
}

size_t JsonLog::write_line(const char* data, size_t length, const Suffix& suffix) noexcept {
  auto newline = static_cast<const char*>(memchr(data, '\n', std::min(length, kMaxLine)));
  if (!newline && length < kMaxLine) return 0;
  size_t line = newline ? static_cast<size_t>(newline - data) + 1 : piece_length(data);
  put(data, line, suffix);
  return line;
}

void JsonLog::put(const char* text, size_t length, const Suffix& suffix) noexcept {
  if (file_.full(used_)) {
    flush();
    file_.rotate();
  }
  size_t need = sizeof kPrefix + length * kJsonExpansion + suffix.length;
  if (used_ + need > kBatchSize) flush();
  if (!batch_) batch_.reset(new char[kBatchSize]);
  char* out = batch_.get() + used_;
  std::memcpy(out, kPrefix, sizeof kPrefix - 1);
  out = write_json_text(text, length, out + sizeof kPrefix - 1);
  std::memcpy(out, suffix.text, suffix.length);
  used_ = static_cast<size_t>(out + suffix.length - batch_.get());
}

void JsonLog::flush() noexcept {
  if (used_ > 0) file_.append(batch_.get(), used_);
  used_ = 0;
}

void JsonLog::end(Stream stream) noexcept {
  std::string& pending = unfinished(stream);
  if (pending.empty()) return;
  put(pending.data(), pending.size(), Suffix(stream));
  flush();
  std::string().swap(pending);
}

void JsonLog::release_memory() noexcept {
  batch_.reset();
  if (stdout_.empty()) std::string().swap(stdout_);
  if (stderr_.empty()) std::string().swap(stderr_);
}

}  // namespace gantry::shim
