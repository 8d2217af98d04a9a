#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "archive/copy_tree.h"
#include "archive/find_paths.h"
#include "archive/mode_change.h"
#include "archive/path_pattern.h"
#include "archive/remove_matching.h"
#include "archive/support.h"
#include "archive/tree_digest.h"

namespace gantry::archive::test {
namespace {

TEST(PathPattern, MatchesAsDockerignoreDoes) {
  const auto matches = [](const char* pattern, const char* path) { return PathPattern(pattern).matches(path); };
  EXPECT_TRUE(matches("*.md", "a.md"));
  EXPECT_FALSE(matches("*.md", "d/a.md"));
  EXPECT_TRUE(matches("**/*.md", "a.md"));
  EXPECT_TRUE(matches("**/*.md", "d/e/a.md"));
  EXPECT_TRUE(matches("a/**", "a/b/c"));
  EXPECT_FALSE(matches("a/**", "b/c"));
  EXPECT_TRUE(matches("a?[b-d]", "axc"));
  EXPECT_FALSE(matches("a?[^b-d]", "axc"));
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "a"));
  EXPECT_THROW(PathPattern("[a"), Error);
}

TEST(PathPattern, TakesNoTimeForPatternsThatBacktrack) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(PathPattern(pattern + "b").matches(std::string(4000, 'a')));
}

TEST(ExcludePatterns, TheLastOneThatSaysSomethingWins) {
  const ExcludePatterns patterns({"*.md", "!keep.md", "dir"});
  EXPECT_TRUE(patterns.excludes("a.md"));
  EXPECT_FALSE(patterns.excludes("keep.md"));
  EXPECT_TRUE(patterns.excludes("dir/below/it"));
}

TEST(ModeChange, KnowsNumbersAndSymbols) {
  EXPECT_EQ(ModeChange("640").apply(0777, false), 0640u);
  EXPECT_EQ(ModeChange("u=rwX,go-w").apply(0666, false), 0644u);
  EXPECT_EQ(ModeChange("u=rwX,go-w").apply(0777, true), 0755u);
  EXPECT_EQ(ModeChange("a+x").apply(0640, false), 0751u);
  EXPECT_THROW(ModeChange("rubbish"), Error);
  EXPECT_THROW(ModeChange("17777"), Error);
}

class Copy : public testing::Test {
 protected:
  void SetUp() override {
    run("mkdir -p " + source() + "/d/sub " + scratch.root() + " && cd " + source() +
        " && echo 1 > d/one && echo 2 > d/sub/two && ln d/one d/hard && ln -s one d/soft && ln -s /etc/passwd out && "
        "ln "
        "-s / root && chmod 4711 d/one");
  }
  std::string source() const { return scratch.path() + "/source"; }
  void copy(const std::vector<CopyItem>& items, const CopyOptions& options = {}) {
    copy_trees(Root(directory(source())), Root(directory(scratch.root())), items, options);
  }
  std::string digest(const std::string& path) { return tree_digest(Root(directory(source())), {path}, {}); }

  Scratch scratch;
};

TEST_F(Copy, KeepsEverythingAboutATree) {
  ASSERT_EQ(setxattr((source() + "/d/one").c_str(), "user.x", "y", 1, 0), 0);
  copy({{"d", "to"}});
  EXPECT_EQ(status_of(scratch.in("to/one")).st_ino, status_of(scratch.in("to/hard")).st_ino);
  EXPECT_EQ(status_of(scratch.in("to/one")).st_mode & 07777u, 04711u);
  EXPECT_EQ(status_of(scratch.in("to/one")).st_mtim.tv_nsec, status_of(source() + "/d/one").st_mtim.tv_nsec);
  char value = 0;
  EXPECT_EQ(getxattr(scratch.in("to/one").c_str(), "user.x", &value, 1), 1);
  EXPECT_EQ(value, 'y');
  EXPECT_EQ(run("readlink " + scratch.in("to/soft")), "one\n");
}

TEST_F(Copy, LinksOfTheSourceStayInside) {
  EXPECT_THROW(copy({{"out", "x"}}), Error);
  EXPECT_THROW(copy({{"root/etc/passwd", "x"}}), Error);
}

TEST_F(Copy, LinksOfTheDestinationStayInside) {
  run("mkdir " + scratch.in("tmp") + " && ln -s ../../../../tmp " + scratch.in("away"));
  copy({{"d/one", "away/gantry-copy-test"}});
  EXPECT_TRUE(exists(scratch.in("tmp/gantry-copy-test")));
  EXPECT_FALSE(exists("/tmp/gantry-copy-test"));
}

TEST_F(Copy, DoesNotReplaceAFileByADirectory) {
  run("echo > " + scratch.in("file"));
  EXPECT_THROW(copy({{"d", "file"}}), Error);
}

TEST_F(Copy, LeavesOutWhatIsExcluded) {
  CopyOptions options;
  options.exclude = {"sub", "ha*"};
  copy({{"d", "to"}}, options);
  EXPECT_EQ(run("ls " + scratch.in("to")), "one\nsoft\n");
}

TEST_F(Copy, OfWhatIsLeftOutOnlyTheWayToWhatIsTakenBackIsMade) {
  run("mkdir -p " + source() + "/d/empty/deep && mkdir " + source() + "/d/other && touch " + source() +
      "/d/other/file");
  CopyOptions options;
  options.exclude = {"**", "!sub/two"};
  copy({{"d", "to"}}, options);
  EXPECT_EQ(run("cd " + scratch.in("to") + " && find . | sort"), ".\n./sub\n./sub/two\n");

  TreeDigestOptions same;
  same.exclude = {"**", "!*/two"};
  const auto digest = [&] { return tree_digest(Root(directory(source())), {"d"}, same); };
  const std::string before = digest();
  run("mv " + source() + "/d/other " + source() + "/d/another");
  EXPECT_EQ(digest(), before);
  run("mv " + source() + "/d/sub " + source() + "/d/under");
  EXPECT_NE(digest(), before);
}

TEST_F(Copy, DigestsSeeContentsAndModesAndNotTimes) {
  const std::string before = digest("d");
  run("touch -d 2001-01-01 " + source() + "/d/one");
  EXPECT_EQ(digest("d"), before);
  run("chmod 600 " + source() + "/d/one");
  const std::string changed = digest("d");
  EXPECT_NE(changed, before);
  run("mv " + source() + "/d/sub/two " + source() + "/d/sub/three");
  EXPECT_NE(digest("d"), changed);
}

TEST_F(Copy, DigestsWithinLimitsAreTheSameOrNone) {
  const Root root(directory(source()));
  EXPECT_EQ(tree_digest_within(root, {"d"}, {}, {6, 6}), digest("d"));
  EXPECT_EQ(tree_digest_within(root, {"d"}, {}, {5, 6}), std::nullopt);
  EXPECT_EQ(tree_digest_within(root, {"d"}, {}, {6, 5}), std::nullopt);
  EXPECT_THROW(tree_digest_within(root, {"missing"}, {}, {6, 6}), Error);
}

TEST_F(Copy, PatternsFindPaths) {
  const auto find = [&](const char* pattern) { return find_paths(Root(directory(source())), pattern); };
  EXPECT_EQ(find("d/*o*"), (std::vector<std::string>{"d/one", "d/soft"}));
  EXPECT_EQ(find("**/t*"), (std::vector<std::string>{"d/sub/two"}));
  EXPECT_TRUE(find("root/*/passwd").empty());
  EXPECT_TRUE(find("nothing*").empty());
}

TEST_F(Copy, IgnoredFilesAreRemovedButForExceptions) {
  remove_matching(source(), {"d", "!d/sub/two", "out"});
  EXPECT_EQ(run("cd " + source() + " && find . | sort"), ".\n./d\n./d/sub\n./d/sub/two\n./root\n");
}

}  // namespace
}  // namespace gantry::archive::test
