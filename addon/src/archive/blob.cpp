#include "archive/blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "archive/block_queue.h"
#include "archive/layer_unpacker.h"
#include "archive/sha256.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {
namespace {

constexpr size_t start_size = 512;
constexpr size_t block_size = BlockQueue::block_size;

/// Passes a stream on and keeps a copy of it, with its digest.
class StoredStream final : public ByteStream {
 public:
  StoredStream(ByteStream& input, const std::string& path, const BlobOptions& options)
      : input_(input),
        file_(check(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "create " + path)),
        limit_(options.max_bytes),
        consumed_(options.consumed) {}

  /// Waits for as much as is asked for: large and aligned writes are what file systems like.
  size_t read(char* out, size_t size) override {
    const size_t got = read_fully(input_, out, size);
    digest_.update({out, got});
    if (limit_ != 0 && size_ + got > limit_) {
      throw Error("store blob", EFBIG, "it has more than " + std::to_string(limit_) + " bytes");
    }
    write({out, got});
    if (consumed_) *consumed_ += got;
    return got;
  }

  uint64_t size() const noexcept { return size_; }
  std::string digest() { return digest_.finish(); }

 private:
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::write(file_.get(), bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw Error("write blob");
      bytes.remove_prefix(static_cast<size_t>(done));
      size_ += static_cast<uint64_t>(done);
    }
  }

  ByteStream& input_;
  const UniqueFd file_;
  const uint64_t limit_;
  const ByteCounter consumed_;
  uint64_t size_ = 0;
  Sha256 digest_;
};

/// Hashes what a compressed blob holds.
class MeasuredStream final : public ByteStream {
 public:
  MeasuredStream(std::unique_ptr<ByteStream> input, uint64_t limit) : input_(std::move(input)), limit_(limit) {}

  size_t read(char* out, size_t size) override {
    const size_t got = read_fully(*input_, out, size);
    digest_.update({out, got});
    size_ += got;
    if (limit_ != 0 && size_ > limit_) {
      throw Error("decompress archive", EFBIG, "it holds more than " + std::to_string(limit_) + " bytes");
    }
    return got;
  }

  std::string digest() { return digest_.finish(); }

 private:
  const std::unique_ptr<ByteStream> input_;
  const uint64_t limit_;
  uint64_t size_ = 0;
  Sha256 digest_;
};

bool is_tar(std::string_view start) { return start.size() >= start_size && start.substr(257, 5) == "ustar"; }

bool is_stored_compression(Compression compression) {
  return compression == Compression::gzip || compression == Compression::zstd;
}

void read_to_end(ByteStream& stream) {
  std::vector<char> scratch(block_size);
  while (stream.read(scratch.data(), scratch.size()) > 0) continue;
}

/// Reads a layer to its end while a second thread unpacks it.
void read_layer(ByteStream& layer, const BlobOptions& options, ReceivedBlob& blob) {
  if (options.layer_directory.empty()) return read_to_end(layer);
  UnpackOptions unpack_options;
  unpack_options.whiteouts = true;
  unpack_options.max_entries = options.max_entries;
  unpack_options.uid_map = options.uid_map;
  unpack_options.gid_map = options.gid_map;
  LayerUnpacker unpacker(options.layer_directory, unpack_options);
  while (true) {
    BlockQueue::Block block = unpacker.blocks().take_empty();
    block.size = layer.read(block.data.get(), block_size);
    if (block.size == 0) break;
    unpacker.blocks().push(std::move(block));
  }
  blob.layer = unpacker.finish();
  blob.layer_error = unpacker.error();
}

}  // namespace

ReceivedBlob receive_blob(ByteStream& input, const std::string& path, const BlobOptions& options) {
  StoredStream stored(input, path, options);
  std::string first(block_size, '\0');
  first.resize(stored.read(first.data(), first.size()));

  ReceivedBlob blob;
  blob.start = first.substr(0, start_size);
  blob.compression = detect_compression(first);
  PrefixedStream whole(std::move(first), stored);
  if (is_stored_compression(blob.compression)) {
    MeasuredStream content(decompress(whole, blob.compression), options.max_bytes);
    read_layer(content, options, blob);
    blob.diff_id = content.digest();
  } else if (blob.compression == Compression::none && is_tar(blob.start)) {
    read_layer(whole, options, blob);
  }
  // A compressed stream may end before its file does.
  read_to_end(stored);
  blob.digest = stored.digest();
  blob.size = stored.size();
  if (blob.compression == Compression::none) blob.diff_id = blob.digest;
  return blob;
}

}  // namespace gantry::archive
