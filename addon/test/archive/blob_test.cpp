#include "archive/blob.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <random>

#include "archive/sha256.h"
#include "archive/support.h"
#include "archive/tree.h"

namespace gantry::archive::test {
namespace {

/// A stream of bytes that come in pieces of any length.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string bytes, size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}
  size_t read(char* out, size_t size) override {
    const size_t part = std::min({size, piece_, bytes_.size() - position_});
    bytes_.copy(out, part, position_);
    position_ += part;
    return part;
  }

 private:
  std::string bytes_;
  size_t piece_;
  size_t position_ = 0;
};

std::string compress(const std::string& bytes, Compression compression) {
  ::archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  if (compression == Compression::gzip) archive_write_add_filter_gzip(writer);
  if (compression == Compression::zstd) archive_write_add_filter_zstd(writer);
  std::string out(bytes.size() + (1 << 20), '\0');
  size_t used = 0;
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

std::string digest_of(const std::string& bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

std::string read_all(ByteStream& stream, size_t piece) {
  std::string result;
  std::string buffer(piece, '\0');
  while (const size_t got = stream.read(buffer.data(), buffer.size())) result.append(buffer, 0, got);
  return result;
}

RawEntry file(const std::string& name, std::string content = {}) {
  RawEntry entry;
  entry.name = name;
  entry.content = std::move(content);
  return entry;
}

std::string noise(size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>("abcdefgh\n\0x"[random() % 11]);
  return bytes;
}

class BlobTest : public ::testing::Test {
 protected:
  ReceivedBlob receive(const std::string& bytes, size_t piece = 5000, uint64_t limit = 0) {
    Pieces input(bytes, piece);
    return receive_blob(input, scratch_.path() + "/blob", {scratch_.path() + "/layer", limit, 0});
  }
  void clear() {
    remove_tree(scratch_.path() + "/layer");
    remove_tree(scratch_.path() + "/blob");
  }

  Scratch scratch_;
};

TEST_F(BlobTest, ALayerIsStoredAndUnpackedInOneGo) {
  const std::string text = noise(3 << 20);
  const std::string tar = archive_of({file("d/f", text)});
  for (const Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
    const std::string bytes = compression == Compression::none ? tar : compress(tar, compression);
    const ReceivedBlob blob = receive(bytes);
    EXPECT_EQ(blob.compression, compression);
    EXPECT_EQ(blob.digest, digest_of(bytes));
    EXPECT_EQ(blob.diff_id, digest_of(tar));
    EXPECT_EQ(blob.size, bytes.size());
    EXPECT_EQ(blob.start, bytes.substr(0, 512));
    ASSERT_TRUE(blob.layer) << name_of(compression);
    EXPECT_FALSE(blob.layer_error);
    EXPECT_EQ(blob.layer->entries, 1u);
    EXPECT_EQ(read_file(scratch_.path() + "/blob"), bytes);
    EXPECT_EQ(read_file(scratch_.path() + "/layer/d/f"), text);
    clear();
  }
}

TEST_F(BlobTest, ADocumentIsOnlyStored) {
  const ReceivedBlob blob = receive("{}");
  EXPECT_EQ(blob.digest, digest_of("{}"));
  EXPECT_EQ(blob.diff_id, blob.digest);
  EXPECT_FALSE(blob.layer);
  EXPECT_FALSE(exists(scratch_.path() + "/layer"));
}

TEST_F(BlobTest, ALayerThatCannotBeUnpackedIsStoredAndSaysWhy) {
  const std::string tar = archive_of({file("../escaped", "x"), file("large", noise(8 << 20))});
  const ReceivedBlob blob = receive(tar);
  EXPECT_EQ(blob.digest, digest_of(tar));
  ASSERT_TRUE(blob.layer_error);
  EXPECT_NE(std::string(blob.layer_error->what()).find("invalid entry name"), std::string::npos);
}

TEST_F(BlobTest, BombsAreCutOff) {
  const std::string tar = archive_of({file("zeros", std::string(64 << 20, '\0'))});
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    try {
      receive(compress(tar, compression), 5000, 1 << 20);
      FAIL() << name_of(compression);
    } catch (const Error& error) {
      EXPECT_EQ(error.error(), EFBIG);
    }
    clear();
  }
  EXPECT_THROW(receive(std::string(2 << 20, 'x'), 5000, 1 << 20), Error);
}

TEST_F(BlobTest, ManyEntriesAreCutOff) {
  std::vector<RawEntry> entries;
  for (int i = 0; i < 20; ++i) entries.push_back(file("f" + std::to_string(i)));
  Pieces input(archive_of(entries), 700);
  const ReceivedBlob blob = receive_blob(input, scratch_.path() + "/blob", {scratch_.path() + "/layer", 0, 10});
  ASSERT_TRUE(blob.layer_error);
  EXPECT_EQ(blob.layer_error->error(), EFBIG);
}

TEST(Gzip, MembersAndPaddingAtEveryBorder) {
  const std::string first = noise(100'000);
  const std::string second = noise(70'000) + "end";
  const std::string bytes =
      compress(first, Compression::gzip) + compress(second, Compression::gzip) + std::string(1000, '\0');
  for (const size_t piece : {1, 7, 1000, 1 << 20}) {
    for (const size_t out : {13, 4096, 1 << 18}) {
      Pieces input(bytes, piece);
      EXPECT_TRUE(read_all(*decompress(input, Compression::gzip), out) == first + second) << piece << ' ' << out;
    }
  }
}

TEST(Gzip, DamageIsAnErrorWithoutErrno) {
  const std::string good = compress(noise(50'000), Compression::gzip);
  const auto expect_damage = [](const std::string& bytes, const char* what) {
    try {
      Pieces input(bytes, 1000);
      read_all(*decompress(input, Compression::gzip), 4096);
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.error(), 0) << what;
    }
  };
  std::string wrong_checksum = good;
  wrong_checksum[good.size() - 6] ^= 1;
  expect_damage(wrong_checksum, "checksum");
  expect_damage(good + "garbage", "garbage");
  for (size_t size = 2; size < good.size(); size += good.size() / 50) expect_damage(good.substr(0, size), "truncated");
}

/// Whatever is wrong, it ends, and touches no memory that is not its own (run under the sanitizers).
TEST(Gzip, RandomDamageEnds) {
  const std::string good = compress(noise(50'000), Compression::gzip);
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    std::string bad = good;
    for (int i = 0; i < 3; ++i) bad[10 + random() % (bad.size() - 10)] = static_cast<char>(random());
    try {
      Pieces input(bad, 997);
      read_all(*decompress(input, Compression::gzip), 4096);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace gantry::archive::test
