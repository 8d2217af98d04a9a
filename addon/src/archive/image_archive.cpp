#include "archive/image_archive.h"

#include <cstring>

namespace gantry::archive {
namespace {

/// Trailing padding that is read, so that the client can finish sending.
constexpr uint64_t max_padding = 1 << 20;
constexpr size_t read_size = 1 << 16;

const char* name_of(EntryType type) {
  switch (type) {
    case EntryType::regular:
      return "file";
    case EntryType::hard_link:
      return "link";
    case EntryType::symbolic_link:
      return "symlink";
    case EntryType::character_device:
      return "character device";
    case EntryType::block_device:
      return "block device";
    case EntryType::directory:
      return "directory";
    case EntryType::fifo:
      return "fifo";
  }
  return "";
}

}  // namespace

class ImageArchive::MemberStream final : public ByteStream {
 public:
  explicit MemberStream(TarReader& reader) : reader_(reader) {}

  size_t read(char* out, size_t size) override {
    const std::string_view part = reader_.data(size);
    std::memcpy(out, part.data(), part.size());
    return part.size();
  }

 private:
  TarReader& reader_;
};

std::optional<ArchiveMember> ImageArchive::next() {
  if (!reader_) {
    input_.emplace(fd_.get(), 0);
    reader_.emplace(input_->source());
  }
  TarEntry entry;
  if (!reader_->next(entry)) {
    input_->drain(max_padding);
    return std::nullopt;
  }
  if (entry.sparse) throw Error("read archive", 0, "a member is sparse");
  return ArchiveMember{entry.name, name_of(entry.type), entry.link, entry.size};
}

std::string ImageArchive::read(uint64_t max_bytes) {
  std::string content;
  while (true) {
    const std::string_view part = reader_->data(read_size);
    if (part.empty()) return content;
    if (content.size() + part.size() > max_bytes) throw Error("read archive", EFBIG, "a document is too large");
    content.append(part);
  }
}

ReceivedBlob ImageArchive::receive(const std::string& path, const BlobOptions& options) {
  MemberStream content(*reader_);
  return receive_blob(content, path, options);
}

}  // namespace gantry::archive
