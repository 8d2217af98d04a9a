#include "archive/stat_path.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "archive/path.h"
#include "archive/support.h"

namespace gantry::archive::test {
namespace {

class StatPath : public testing::Test {
 protected:
  void SetUp() override {
    run("cd " + scratch.root() +
        " && mkdir -p etc/sub && echo hello > etc/hosts && ln -s /etc/sub lnk && ln -s ../../../../etc/hosts etc/up && "
        "ln "
        "-s /nowhere/x dangling && ln -s loopb loopa && ln -s loopa loopb && mknod null c 1 3 && chmod 4755 etc/hosts "
        "&& "
        "touch -h -d '2024-01-02T03:04:05.120Z' etc/hosts && ln -s " +
        scratch.path() + "/secret out");
    write_file(scratch.path() + "/secret", "secret");
  }
  PathStat stat(const std::string& path) { return stat_path(Root(directory(scratch.root())), path); }
  int failure(const std::string& path) {
    try {
      stat(path);
      return 0;
    } catch (const Error& error) {
      return error.error();
    }
  }

  Scratch scratch;
};

TEST_F(StatPath, NamesAsDockerDoes) {
  EXPECT_EQ(stat("/").name, "/");
  EXPECT_EQ(stat("/etc").name, "etc");
  EXPECT_EQ(stat("/etc/").name, "etc");
  EXPECT_EQ(stat("/etc/.").name, ".");
  EXPECT_EQ(stat("etc").name, "etc");
}

TEST_F(StatPath, ModesAreThoseOfGo) {
  EXPECT_EQ(stat("/etc").mode, 1u << 31 | 0755u);
  EXPECT_EQ(stat("/etc/hosts").mode, 1u << 23 | 0755u);
  EXPECT_EQ(stat("/lnk").mode, 1u << 27 | 0777u);
  EXPECT_EQ(stat("/null").mode & ~0777u, 1u << 26 | 1u << 21);
  EXPECT_EQ(stat("/etc/hosts").mtime, "2024-01-02T03:04:05.12Z");
}

TEST_F(StatPath, LinksAreResolvedInside) {
  EXPECT_EQ(stat("/lnk").link_target, "/etc/sub");
  EXPECT_EQ(stat("/etc/up").link_target, "/etc/hosts");
  EXPECT_EQ(stat("/dangling").link_target, "/nowhere/x");
  EXPECT_EQ(stat("/lnk/").link_target, "");
  EXPECT_EQ(stat("/lnk/").resolved_path, "/etc/sub");
  EXPECT_EQ(stat("/lnk/../up").resolved_path, "/etc/up");
  EXPECT_EQ(stat("/../../etc").resolved_path, "/etc");
}

TEST_F(StatPath, Failures) {
  EXPECT_EQ(failure("/nope"), ENOENT);
  EXPECT_EQ(failure("/etc/hosts/"), ENOTDIR);
  EXPECT_EQ(failure("/etc/hosts/x"), ENOTDIR);
  EXPECT_EQ(failure("/loopa"), ELOOP);
  EXPECT_EQ(failure("/dangling/"), ENOENT);
}

TEST_F(StatPath, FilesAreReadInsideOnly) {
  const Root root(directory(scratch.root()));
  EXPECT_EQ(archive::read_file(root, "/etc/up", 100), "hello\n");
  EXPECT_THROW(archive::read_file(root, "/out", 100), Error);
  EXPECT_THROW(archive::read_file(root, "/null", 100), Error);
  EXPECT_THROW(archive::read_file(root, "/etc", 100), Error);
  EXPECT_THROW(archive::read_file(root, "/etc/hosts", 5), Error);
}

TEST_F(StatPath, TheRootOfAProcess) {
  RootSpec spec;
  spec.kind = RootSpec::Kind::process;
  spec.pid = getpid();
  EXPECT_EQ(stat_path(Root(spec), scratch.path() + "/secret").size, 6);
  spec.pid = 0;
  EXPECT_THROW(Root{spec}, Error);
}

TEST(CleanPath, Table) {
  EXPECT_EQ(clean_path("/a//b/./c/"), "a/b/c");
  EXPECT_EQ(clean_path("./"), "");
  EXPECT_EQ(clean_path("a/../b"), "b");
  EXPECT_EQ(clean_path("a/../../b"), "../b");
  EXPECT_EQ(clean_path("../../x/.."), "../..");
  EXPECT_TRUE(escapes(clean_path("..")));
  EXPECT_FALSE(escapes(clean_path("..a")));
}

}  // namespace
}  // namespace gantry::archive::test
