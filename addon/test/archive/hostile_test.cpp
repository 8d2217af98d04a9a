#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "archive/support.h"

namespace gantry::archive::test {
namespace {

/// A root with neighbours that must not change: a file and a directory beside it.
class Hostile : public testing::Test {
 protected:
  void SetUp() override {
    write_file(scratch.path() + "/secret", "secret");
    mkdir((scratch.path() + "/outside").c_str(), 0755);
    mkdir(scratch.in("data").c_str(), 0755);
    before = outside();
    descriptors = open_descriptors();
  }
  void TearDown() override {
    EXPECT_EQ(outside(), before) << "something outside of the root was touched";
    EXPECT_EQ(open_descriptors(), descriptors) << "descriptors leaked";
  }
  std::string outside() const {
    return run("cd " + scratch.path() + " && stat -c '%n %a %u %g %Y %h' secret outside && ls outside && cat secret");
  }
  std::string up() const { return "../../../../../../../../.." + scratch.path(); }

  Scratch scratch;
  std::string before;
  size_t descriptors = 0;
};

RawEntry file(const std::string& name, const std::string& content = "x") {
  RawEntry entry;
  entry.name = name;
  entry.content = content;
  return entry;
}

RawEntry link(char type, const std::string& name, const std::string& target) {
  RawEntry entry;
  entry.name = name;
  entry.type = type;
  entry.link = target;
  return entry;
}

RawEntry dir(const std::string& name) {
  RawEntry entry;
  entry.name = name;
  entry.type = '5';
  entry.mode = 0755;
  return entry;
}

RawEntry of_type(char type, const std::string& content) {
  RawEntry entry = file("p", content);
  entry.type = type;
  return entry;
}

TEST_F(Hostile, RefusesWhatPointsAboveTheTarget) {
  const struct {
    RawEntry entry;
    const char* message;
  } cases[] = {
      {file("../evil"), "invalid entry name \"../evil\""},
      {file("a/../../evil"), "invalid entry name \"a/../../evil\""},
      {file("/../evil"), "invalid entry name \"/../evil\""},
      {dir(".."), "invalid entry name \"..\""},
      {link('2', "../link", "x"), "invalid entry name \"../link\""},
      {link('1', "hard", "../../secret"), "invalid hardlink target \"../../secret\""},
      {link('1', "hard", ""), "invalid hardlink target \"\""},
      {link('1', "hard", "missing"), "No such file"},
      {link('1', "hard", up() + "/secret"), "invalid hardlink target"},
  };
  for (const auto& test : cases) {
    EXPECT_NE(unpack_failure(scratch.root(), archive_of({test.entry}), {}, "/data").find(test.message),
              std::string::npos)
        << test.entry.name << ": " << unpack_failure(scratch.root(), archive_of({test.entry}), {}, "/data");
  }
}

TEST_F(Hostile, AbsoluteNamesStartAtTheTarget) {
  unpack_bytes(scratch.root(), archive_of({file("/etc/passwd"), file(scratch.path() + "/secret", "mine")}), {},
               "/data");
  EXPECT_TRUE(exists(scratch.in("data/etc/passwd")));
  EXPECT_EQ(read_file(scratch.in("data" + scratch.path() + "/secret")), "mine");
}

TEST_F(Hostile, LinksLeadNowhereOutside) {
  // The targets are resolved inside the root, where they do not exist.
  for (const std::string& target : {up(), scratch.path(), std::string("/proc/self/root") + scratch.path()}) {
    unpack_failure(scratch.root(), archive_of({link('2', "s", target), file("s/secret", "evil")}));
    unpack_failure(scratch.root(), archive_of({link('2', "s", target), file("s/outside/new", "evil")}));
    unpack_failure(scratch.root(), archive_of({link('2', "s", target), dir("s"), link('2', "s", target), dir("s/d")}));
    unpack_failure(scratch.root(), archive_of({link('2', "s", target + "/secret"), file("s", "evil")}));
    unpack_failure(scratch.root(), archive_of({link('2', "s", target), link('1', "h", "s/secret"), file("h", "evil")}));
  }
}

TEST_F(Hostile, ALinkIsReplacedNotFollowed) {
  unpack_bytes(scratch.root(), archive_of({link('2', "l", scratch.path() + "/secret"), file("l", "new")}));
  EXPECT_TRUE(S_ISREG(status_of(scratch.in("l")).st_mode));
  EXPECT_EQ(read_file(scratch.in("l")), "new");
}

TEST_F(Hostile, ADirectorySwappedForALinkIsSeen) {
  // The parent is cached while "a" is a directory; after the swap "a/two" must not go through the old descriptor.
  unpack_bytes(scratch.root(), archive_of({dir("a"), file("a/one"), link('2', "a", "data"), file("a/two")}));
  EXPECT_FALSE(exists(scratch.in("data/one")));
  EXPECT_TRUE(exists(scratch.in("data/two")));
}

TEST_F(Hostile, LinksInsideTheRootStillWork) {
  unpack_bytes(scratch.root(), archive_of({link('2', "abs", "/data"), file("abs/f"), link('2', "up", "../../../data"),
                                           file("up/g"), link('1', "h", "data/f")}));
  EXPECT_TRUE(exists(scratch.in("data/f")));
  EXPECT_TRUE(exists(scratch.in("data/g")));
  EXPECT_EQ(status_of(scratch.in("h")).st_ino, status_of(scratch.in("data/f")).st_ino);
}

TEST_F(Hostile, ADirectoryHasNoHardLinks) {
  EXPECT_NE(unpack_failure(scratch.root(), archive_of({link('1', "hard", "data")})).find("not permitted"),
            std::string::npos);
}

TEST_F(Hostile, AHardLinkOntoItselfKeepsTheFile) {
  unpack_bytes(scratch.root(), archive_of({file("f", "content"), link('1', "f", "f"), link('1', "./f", "/f")}));
  EXPECT_EQ(read_file(scratch.in("f")), "content");
}

TEST_F(Hostile, TypeConflictsReplaceUnlessForbidden) {
  const std::string files = archive_of({file("data")});
  const std::string directories = archive_of({file("x"), dir("x"), file("x/y")});
  UnpackOptions keep;
  keep.keep_directory_types = true;
  EXPECT_NE(unpack_failure(scratch.root(), files, keep).find("cannot overwrite directory \"data\" with non-directory"),
            std::string::npos);
  EXPECT_NE(
      unpack_failure(scratch.root(), directories, keep).find("cannot overwrite non-directory \"x\" with directory"),
      std::string::npos);
  EXPECT_EQ(unpack_failure(scratch.root(), files), "");
  EXPECT_EQ(unpack_failure(scratch.root(), directories), "");
  EXPECT_TRUE(S_ISREG(status_of(scratch.in("data")).st_mode));
  EXPECT_TRUE(exists(scratch.in("x/y")));
}

TEST_F(Hostile, LastDuplicateWins) {
  unpack_bytes(scratch.root(), archive_of({file("f", "one"), file("f", "two"), dir("d"), dir("d")}));
  EXPECT_EQ(read_file(scratch.in("f")), "two");
}

TEST_F(Hostile, MalformedArchivesAreNamedAsSuch) {
  const std::string good = archive_of({file("f", std::string(2000, 'x'))});
  std::string checksum = good;
  checksum[3] ^= 1;
  std::string octal = raw(file("f"));
  RawEntry negative = file("f");
  negative.size_field = std::string(12, '\xff');
  RawEntry huge = file("f");
  huge.size_field = "77777777777";
  RawEntry long_name = file("g");
  long_name.type = 'L';
  long_name.size_field = "77777777";
  const struct {
    std::string bytes;
    const char* message;
  } cases[] = {
      {std::string(10000, 'r'), "invalid tar header"},
      {checksum, "wrong checksum"},
      {good.substr(0, 300), "truncated"},
      {good.substr(0, 512), "truncated"},
      {good.substr(0, 1500), "truncated"},
      {raw(negative), "invalid tar header"},
      {raw(huge), "truncated"},
      {raw(long_name), "too long"},
      {pax({{"path", "x"}}), "truncated"},
      {pax({{"size", "-5"}}) + good, "invalid tar header"},
      {pax({{"size", "9223372036854775807"}}) + good, "truncated"},
      {pax({{"size", "99999999999999999999"}}) + good, "invalid tar header"},
      {pax({{"uid", "x"}}) + good, "invalid tar header"},
      {pax({{"uid", "4294967295"}}) + good, "invalid user or group id"},
      {pax({{"uid", "-1"}}) + good, "invalid user or group id"},
      {pax({{"mtime", "1.2.3"}}) + good, "invalid tar header"},
      {pax({{"path", std::string("a\0b", 3)}}) + good, "name with a NUL"},
      {pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "10"}}) + good, "sparse map"},
      {pax({{"GNU.sparse.map", "0,10,5,10"}, {"GNU.sparse.realsize", "100"}}) + good, "sparse map"},
      {pax({{"GNU.sparse.map", "0,9223372036854775807"}, {"GNU.sparse.realsize", "100"}}) + good, "sparse map"},
      {raw(of_type('x', "999 path=x\n")), "invalid tar header"},
      {raw(of_type('x', "0 \n")), "invalid tar header"},
      {raw(of_type('x', "5 x\n\n")), "invalid tar header"},
      {raw(of_type('V', "")), "unhandled tar header type"},
      {std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10) + std::string(100, 'x'), "decompress"},
      {std::string("\x28\xb5\x2f\xfd", 4) + std::string(100, 'x'), "decompress"},
  };
  int index = 0;
  for (const auto& test : cases) {
    const std::string message = unpack_failure(scratch.root(), test.bytes);
    EXPECT_NE(message.find(test.message), std::string::npos) << "case " << index << ": \"" << message << '"';
    ++index;
  }
}

TEST_F(Hostile, NamesThatAreTooLong) {
  EXPECT_NE(
      unpack_failure(scratch.root(), pax({{"path", std::string(300, 'n')}}) + archive_of({file("f")})).find("name"),
      std::string::npos);
  std::string deep;
  for (int i = 0; i < 40'000; ++i) deep += "d/";
  EXPECT_NE(unpack_failure(scratch.root(), pax({{"path", deep + "f"}}) + archive_of({file("f")})), "");
}

TEST_F(Hostile, BombsStopAtTheLimit) {
  UnpackOptions options;
  options.max_bytes = 1 << 20;
  const std::string big = archive_of({file("a", std::string(700'000, 'x')), file("b", std::string(700'000, 'x'))});
  EXPECT_NE(unpack_failure(scratch.root(), big, options).find("File too large"), std::string::npos);
  EXPECT_FALSE(exists(scratch.in("b")));
  std::string headers;
  for (int i = 0; i < 10'000; ++i) headers += raw(dir("d"));
  EXPECT_NE(unpack_failure(scratch.root(), headers, options).find("File too large"), std::string::npos);
}

TEST_F(Hostile, OverlayfsAttributesAreDropped) {
  unpack_bytes(scratch.root(), pax({{"SCHILY.xattr.trusted.overlay.opaque", "y"},
                                    {"SCHILY.xattr.user.overlay.opaque", "y"},
                                    {"SCHILY.xattr.user.kept", "yes"}}) +
                                   archive_of({dir("x")}));
  const std::string attributes = run("python3 -c \"import os; print(os.listxattr('" + scratch.in("x") + "'))\"");
  EXPECT_EQ(attributes, "['user.kept']\n");
}

TEST_F(Hostile, TimesOutsideOfReasonBecomeTheEpoch) {
  RawEntry early = file("before");
  early.mtime = -5;
  RawEntry late = file("after");
  late.mtime = INT64_MAX;
  unpack_bytes(scratch.root(), archive_of({early, late}));
  EXPECT_EQ(status_of(scratch.in("before")).st_mtim.tv_sec, 0);
  EXPECT_EQ(status_of(scratch.in("after")).st_mtim.tv_sec, 0);
}

TEST_F(Hostile, MutatedArchivesStayInside) {
  std::vector<RawEntry> entries = {dir("dir"),
                                   file("dir/file", "some content"),
                                   link('2', "up", up()),
                                   file("up/secret", "evil"),
                                   link('1', "hard", "dir/file"),
                                   link('2', "dir/out", "/../.."),
                                   file("dir/out/outside/x"),
                                   file(".wh.gone", ""),
                                   file("dir/.wh..wh..opq", "")};
  const std::string seed = pax({{"path", "long/../name"}, {"SCHILY.xattr.user.a", "b"}, {"mtime", "5.5"}}) +
                           raw(file("f")) + archive_of(entries);
  const std::string tokens[] = {"../", "/",      "..",      std::string("\0", 1), ".wh.",
                                "up/", "secret", "outside", scratch.path()};
  std::mt19937 random(20240117);
  const auto pick = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = seed;
    for (size_t i = 0, count = 1 + pick(4); i < count; ++i) {
      const size_t header = pick(bytes.size() / 512) * 512;
      switch (pick(4)) {
        case 0:
          bytes[pick(bytes.size())] = static_cast<char>(pick(256));
          break;
        case 1: {
          const std::string& token = tokens[pick(std::size(tokens))];
          const size_t at = header + (pick(2) == 0 ? 0 : 157) + pick(12);
          bytes.replace(at, std::min(token.size(), bytes.size() - at), token, 0, bytes.size() - at);
          break;
        }
        case 2:
          bytes[header + 156] = static_cast<char>('0' + pick(8));
          break;
        default:
          bytes.resize(header + 512 + pick(bytes.size() - header));
          bytes.resize((bytes.size() + 511) / 512 * 512);
          break;
      }
    }
    // Most mutations should be read as members, not stop at the checksum.
    for (size_t header = 0; header + 512 <= bytes.size(); header += 512) {
      if (bytes.compare(header + 257, 5, "ustar") != 0) continue;
      bytes.replace(header + 148, 8, "        ");
      unsigned sum = 0;
      for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(bytes[header + i]);
      char field[8];
      std::snprintf(field, sizeof field, "%06o", sum);
      bytes.replace(header + 148, 7, field, 7);
    }
    UnpackOptions options;
    options.whiteouts = round % 2 == 0;
    options.max_bytes = 1 << 20;
    unpack_failure(scratch.root(), bytes, options);
    if (round % 100 == 0) {
      ASSERT_EQ(outside(), before) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace gantry::archive::test
