#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "archive/support.h"

namespace gantry::archive::test {
namespace {

/// A tree with one of everything.
void make_tree(const std::string& root) {
  run("cd " + root +
      " && mkdir -p a/b/c empty 'with space' && echo hello > a/b/c/file && ln a/b/c/file a/hard && ln -s b/c/file "
      "a/soft"
      " && ln -s /nowhere dangling && mkfifo fifo && mknod null c 1 3 && mknod disk b 7 0 && cp /bin/true setuid && "
      "chown 12:34 setuid && chmod 6755 setuid && printf '' > nothing && touch -d @12345678 a/b nothing && "
      "chmod 1777 empty && chown 3000000:4000000 empty && touch 'with space/naïve' \"$(printf 'bad\\377name')\" && "
      "head -c 300000 /dev/urandom > random && chmod 0 nothing");
  const std::string long_part(120, 'n');
  run("cd " + root + " && mkdir -p " + long_part + "/" + long_part + " && echo deep > " + long_part + "/" + long_part +
      "/" + long_part + " && ln -s " + long_part + "/" + long_part + "/" + long_part + " longlink && touch -d @1000 " +
      long_part + " a/b/c . && find . -exec touch -h -d @1700000000 {} +");
}

class RoundTrip : public testing::Test {
 protected:
  void SetUp() override {
    mkdir(source().c_str(), 0755);
    descriptors = open_descriptors();
  }
  void TearDown() override { EXPECT_EQ(open_descriptors(), descriptors) << "descriptors leaked"; }
  std::string source() const { return scratch.path() + "/source"; }
  std::string tar() const { return scratch.path() + "/archive.tar"; }

  Scratch scratch;
  size_t descriptors = 0;
};

PackOptions contents() {
  PackOptions options;
  options.as = ".";
  return options;
}

/// The listing without the top directory, whose attributes docker cp leaves alone.
std::string contents_listing(const std::string& path) {
  const std::string all = listing(path);
  return all.substr(all.find('\n') + 1);
}

TEST_F(RoundTrip, OwnArchives) {
  make_tree(source());
  unpack_bytes(scratch.root(), pack_bytes(source(), "/", contents()));
  EXPECT_EQ(contents_listing(scratch.root()), contents_listing(source()));
  EXPECT_EQ(status_of(scratch.in("null")).st_rdev, makedev(1, 3));
  EXPECT_EQ(status_of(scratch.in("disk")).st_rdev, makedev(7, 0));
}

TEST_F(RoundTrip, GnuTarReadsOurs) {
  make_tree(source());
  write_file(tar(), pack_bytes(source(), "/", contents()));
  run("tar -xpf " + tar() + " --numeric-owner -C " + scratch.root());
  EXPECT_EQ(contents_listing(scratch.root()), contents_listing(source()));
}

TEST_F(RoundTrip, WeReadGnuTar) {
  make_tree(source());
  for (const char* format : {"gnu", "pax", "posix"}) {
    const Scratch target;
    run("tar -cf " + tar() + " --format=" + format + " -C " + source() + " .");
    unpack_bytes(target.root(), read_file(tar()));
    EXPECT_EQ(contents_listing(target.root()), contents_listing(source())) << format;
  }
}

TEST_F(RoundTrip, WeReadOldFormats) {
  run("cd " + source() +
      " && mkdir d && echo x > d/f && ln -s f d/l && ln d/f d/h && find . -exec touch -h -d @99 {} +");
  for (const char* format : {"v7", "oldgnu", "ustar"}) {
    const Scratch target;
    run("tar -cf " + tar() + " --format=" + format + " -C " + source() + " .");
    unpack_bytes(target.root(), read_file(tar()));
    EXPECT_EQ(contents_listing(target.root()), contents_listing(source())) << format;
  }
}

TEST_F(RoundTrip, Compressed) {
  make_tree(source());
  run("tar -cf " + tar() + " -C " + source() + " .");
  for (const char* compressor : {"gzip", "bzip2", "xz", "zstd"}) {
    if (std::system(("command -v " + std::string(compressor) + " >/dev/null").c_str()) != 0) continue;
    const Scratch target;
    run(std::string(compressor) + " -kc " + tar() + " > " + tar() + ".z");
    const std::string bytes = read_file(tar() + ".z");
    unpack_bytes(target.root(), bytes);
    EXPECT_EQ(contents_listing(target.root()), contents_listing(source())) << compressor;
    EXPECT_NE(unpack_failure(target.root(), bytes.substr(0, bytes.size() / 2)), "") << compressor;
  }
}

TEST_F(RoundTrip, SparseFilesStaySparse) {
  run("cd " + source() +
      " && truncate -s 1G hole && printf begin > mixed && printf middle | dd of=mixed bs=1 "
      "seek=10000000 conv=notrunc status=none && truncate -s 20000000 mixed && truncate -s 20M tail && printf end >> "
      "tail");
  const std::string bytes = pack_bytes(source(), "/", contents());
  EXPECT_LT(bytes.size(), size_t{1} << 20);
  unpack_bytes(scratch.root(), bytes);
  EXPECT_EQ(run("cd " + scratch.root() + " && sha256sum mixed tail; stat -c %s hole"),
            run("cd " + source() + " && sha256sum mixed tail; stat -c %s hole"));
  EXPECT_LT(status_of(scratch.in("hole")).st_blocks, 100);
  EXPECT_LT(status_of(scratch.in("mixed")).st_blocks, 1000);
  write_file(tar(), bytes);
  const Scratch other;
  run("tar -xf " + tar() + " -C " + other.root());
  EXPECT_EQ(run("sha256sum < " + other.in("mixed")), run("sha256sum < " + source() + "/mixed"));
}

TEST_F(RoundTrip, WeReadSparseFormatsOfGnuTar) {
  run("cd " + source() +
      " && for i in $(seq 0 99); do printf x | dd of=f bs=1 seek=$((i * 100000)) conv=notrunc "
      "status=none; done; touch -d @1700000000 f");
  for (const char* format : {"--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1",
                             "--format=pax --sparse-version=1.0"}) {
    const Scratch target;
    run("tar -cSf " + tar() + " " + format + " -C " + source() + " .");
    unpack_bytes(target.root(), read_file(tar()));
    EXPECT_EQ(contents_listing(target.root()), contents_listing(source())) << format;
    EXPECT_LT(status_of(target.in("f")).st_blocks, 5000) << format;
  }
}

TEST_F(RoundTrip, ExtendedAttributes) {
  write_file(source() + "/file", "x");
  // A version 2 capability: cap_net_bind_service=ep.
  const std::string capability("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  ASSERT_EQ(setxattr((source() + "/file").c_str(), "security.capability", capability.data(), capability.size(), 0), 0);
  ASSERT_EQ(setxattr((source() + "/file").c_str(), "user.binary", "a\0b=\n", 5, 0), 0);
  ASSERT_EQ(setxattr((source() + "/file").c_str(), "trusted.secret", "s", 1, 0), 0);
  unpack_bytes(scratch.root(), pack_bytes(source(), "/", contents()));
  char value[64];
  ASSERT_EQ(getxattr(scratch.in("file").c_str(), "security.capability", value, sizeof value), 20);
  EXPECT_EQ(std::string(value, 20), capability);
  ASSERT_EQ(getxattr(scratch.in("file").c_str(), "user.binary", value, sizeof value), 5);
  EXPECT_EQ(std::string(value, 5), std::string("a\0b=\n", 5));
  EXPECT_EQ(getxattr(scratch.in("file").c_str(), "trusted.secret", value, sizeof value), -1);
}

TEST_F(RoundTrip, DirectoryTimesAreSetLast) {
  run("cd " + source() + " && mkdir -p d/e && touch d/e/f && touch -d @1000 d/e d");
  unpack_bytes(scratch.root(), pack_bytes(source(), "/", contents()));
  EXPECT_EQ(status_of(scratch.in("d")).st_mtim.tv_sec, 1000);
  EXPECT_EQ(status_of(scratch.in("d/e")).st_mtim.tv_sec, 1000);
}

TEST_F(RoundTrip, IdsAreShiftedBothWays) {
  write_file(source() + "/root", "x");
  write_file(source() + "/user", "x");
  run("chown 1000:1000 " + source() + "/user");
  const std::string bytes = pack_bytes(source(), "/", contents());
  UnpackOptions in;
  in.uid_map = in.gid_map = IdMap({{0, 100000, 65536}});
  unpack_bytes(scratch.root(), bytes, in);
  EXPECT_EQ(status_of(scratch.in("root")).st_uid, 100000u);
  EXPECT_EQ(status_of(scratch.in("user")).st_gid, 101000u);

  PackOptions out = contents();
  out.uid_map = in.uid_map;
  out.gid_map = in.gid_map;
  const Scratch back;
  unpack_bytes(back.root(), pack_bytes(scratch.root(), "/", out));
  EXPECT_EQ(status_of(back.in("root")).st_uid, 0u);
  EXPECT_EQ(status_of(back.in("user")).st_gid, 1000u);

  in.uid_map = IdMap({{0, 100000, 500}});
  EXPECT_NE(unpack_failure(scratch.root(), bytes, in).find("1000 is not mapped"), std::string::npos);
}

TEST_F(RoundTrip, FileCapabilitiesHoldForTheRootOfTheUserNamespace) {
  write_file(source() + "/ping", "x");
  // CAP_NET_RAW, permitted and effective, revision 2 of vfs_cap_data.
  const std::string plain("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  ASSERT_EQ(setxattr((source() + "/ping").c_str(), "security.capability", plain.data(), plain.size(), 0), 0);
  const std::string bytes = pack_bytes(source(), "/", contents());
  UnpackOptions in;
  in.uid_map = in.gid_map = IdMap({{0, 100000, 65536}});
  unpack_bytes(scratch.root(), bytes, in);
  char value[64];
  ASSERT_EQ(getxattr(scratch.in("ping").c_str(), "security.capability", value, sizeof value), 24);
  EXPECT_EQ(value[3], 3);
  EXPECT_EQ(std::string(value + 20, 4), std::string("\xa0\x86\x01\x00", 4));

  PackOptions out = contents();
  out.uid_map = out.gid_map = in.uid_map;
  const Scratch back;
  unpack_bytes(back.root(), pack_bytes(scratch.root(), "/", out));
  ASSERT_EQ(getxattr(back.in("ping").c_str(), "security.capability", value, sizeof value), 20);
  EXPECT_EQ(std::string(value, 20), plain);
}

TEST_F(RoundTrip, OwnerOverridesTheArchive) {
  write_file(source() + "/f", "x");
  UnpackOptions options;
  options.owner = Owner{12, 34};
  unpack_bytes(scratch.root(), pack_bytes(source(), "/", contents()), options);
  EXPECT_EQ(status_of(scratch.in("f")).st_uid, 12u);
  EXPECT_EQ(status_of(scratch.in("f")).st_gid, 34u);
}

TEST_F(RoundTrip, NamesOfTheTopEntry) {
  run("mkdir " + source() + "/d && touch " + source() + "/d/f && ln -s d " + source() + "/l");
  const auto names = [&](const std::string& path, std::optional<std::string> as) {
    PackOptions options;
    options.as = std::move(as);
    write_file(tar(), pack_bytes(source(), path, options));
    return run("tar -tPf " + tar());
  };
  EXPECT_EQ(names("/d", std::nullopt), "d/\nd/f\n");
  EXPECT_EQ(names("/d", "e"), "e/\ne/f\n");
  EXPECT_EQ(names("/d", "."), "./\n./f\n");
  EXPECT_EQ(names("/d", ""), "f\n");
  EXPECT_EQ(names("/d/f", std::nullopt), "f\n");
  EXPECT_EQ(names("/l", std::nullopt), "l\n");
  EXPECT_EQ(names("/l/", "l"), "l/\nl/f\n");
  EXPECT_EQ(names("/../../d", std::nullopt), "d/\nd/f\n");
}

TEST_F(RoundTrip, ExcludedPathsAreLeftOut) {
  run("cd " + source() + " && mkdir -p a/b proc/1 && touch a/b/c a/d proc/1/x");
  PackOptions options = contents();
  options.exclude = {"/proc", "a/b/"};
  unpack_bytes(scratch.root(), pack_bytes(source(), "/", options));
  EXPECT_FALSE(exists(scratch.in("proc")));
  EXPECT_FALSE(exists(scratch.in("a/b")));
  EXPECT_TRUE(exists(scratch.in("a/d")));
}

TEST_F(RoundTrip, AReaderThatGoesAwayIsEpipe) {
  run("head -c 4000000 /dev/zero > " + source() + "/f");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  std::thread reader([end = ends[0]] {
    char part[1000];
    EXPECT_GT(read(end, part, sizeof part), 0);
    close(end);
  });
  try {
    const Root root(directory(source()));
    pack(root, "/", ends[1], contents());
    ADD_FAILURE() << "pack did not notice";
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), EPIPE);
  }
  close(ends[1]);
  reader.join();
}

TEST_F(RoundTrip, TenThousandFiles) {
  run("cd " + source() + " && for d in $(seq 100); do mkdir $d; for f in $(seq 100); do echo $f > $d/$f; done; done");
  const auto start = std::chrono::steady_clock::now();
  const std::string bytes = pack_bytes(source(), "/", contents());
  const auto packed = std::chrono::steady_clock::now();
  EXPECT_EQ(unpack_bytes(scratch.root(), bytes).entries, 10'101u);
  const auto unpacked = std::chrono::steady_clock::now();
  using Milliseconds = std::chrono::duration<double, std::milli>;
  std::printf("10 000 files: packed in %.0f ms, unpacked in %.0f ms\n", Milliseconds(packed - start).count(),
              Milliseconds(unpacked - packed).count());
}

}  // namespace
}  // namespace gantry::archive::test
