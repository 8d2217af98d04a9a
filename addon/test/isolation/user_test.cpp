#include "isolation/user.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bundle.h"
#include "isolation/error.h"

namespace gantry::test {
namespace {

const char* kPasswd =
    "# a comment\n\nroot:x:0:0:root:/root:/bin/sh\n  bob:x:1000:1001:Bob:/home/bob:/bin/sh  \n"
    "7:x:77:78::/home/seven:/bin/sh\nbad:x:abc:1::/bad:\nnegative:x:-5:1::/:\nhuge:x:99999999999999999999:1::/:\n"
    "short\nshort2:x:12\nbob:x:2000:2000::/second:\nnohome:x:30:30\n";
const char* kGroup = "root:x:0:\nstaff:x:50:bob,al\nwheel:x:10:bob\n99:x:98:\nnoid:x::bob\nempty:x:60:,\n";

class UserTest : public ::testing::Test {
 protected:
  UserTest() {
    bundle_.write_root("/etc/passwd", kPasswd);
    bundle_.write_root("/etc/group", kGroup);
    root_.reset(::open(bundle_.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  std::string resolve(const std::string& user, const std::vector<std::string>& additional = {}) {
    try {
      const UserIdentity identity = resolve_user(root_.get(), user, additional);
      std::string text = std::to_string(identity.uid) + ":" + std::to_string(identity.gid);
      for (const gid_t group : identity.groups) text += " " + std::to_string(group);
      return text;
    } catch (const Error& error) {
      return error.what();
    }
  }

  Bundle bundle_;
  UniqueFd root_;
};

const std::string kRange = "uids and gids must be in range 0-2147483647";

std::string no_user(const std::string& name) {
  return "unable to find user " + name + ": no matching entries in passwd file";
}
std::string no_group(const std::string& name) {
  return "unable to find group " + name + ": no matching entries in group file";
}

TEST_F(UserTest, FollowsDocker) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "0:0 0"},
      {"bob", "1000:1001 1001 50 10"},
      {"1000", "1000:1001 1001 50 10"},
      {"+1000", "1000:1001 1001 50 10"},
      {"5", "5:0 0"},
      {"7", "7:0 0"},
      {"77", "77:78 78"},
      {"bob:staff", "1000:50 50"},
      {"bob:99", "1000:99 99"},
      {"99:99", "99:99 99"},
      {":staff", "0:50 50"},
      {":", "0:0 0"},
      {"1000:", "1000:1001 1001 50 10"},
      {"2147483647", "2147483647:0 0"},
      {"foo", no_user("foo")},
      {" bob", no_user(" bob")},
      {"bob:bar", no_group("bar")},
      {"0:foo:bar", no_group("foo:bar")},
      {"bob:noid", no_group("noid")},
      {"-1", kRange},
      {"2147483648", kRange},
      {"4294967295", kRange},
      {"bob:-1", kRange},
      {"99999999999999999999", no_user("99999999999999999999")},
      // A line whose ids are no numbers is no entry; it never stands for root.
      {"bad", no_user("bad")},
      {"negative", no_user("negative")},
      {"huge", no_user("huge")},
      {"short", no_user("short")},
      {"short2", no_user("short2")},
  };
  for (const auto& [user, expected] : cases) EXPECT_EQ(resolve(user), expected) << "user \"" << user << '"';
}

TEST_F(UserTest, AddsGroups) {
  EXPECT_EQ(resolve("bob", {"staff", "77"}), "1000:1001 1001 50 10 77");
  EXPECT_EQ(resolve("", {"99"}), "0:0 0 99");
  EXPECT_EQ(resolve("bob:staff", {"wheel"}), "1000:50 50 10");
  EXPECT_EQ(resolve("", {"nope"}), no_group("nope"));
  EXPECT_EQ(resolve("", {"-5"}), kRange);
}

TEST_F(UserTest, FindsHome) {
  EXPECT_EQ(home_directory(root_.get(), 1000), "/home/bob");
  EXPECT_EQ(home_directory(root_.get(), 30), "/");
  EXPECT_EQ(home_directory(root_.get(), 4242), "/");
}

TEST_F(UserTest, LivesWithoutFiles) {
  ::unlink(bundle_.root("/etc/passwd").c_str());
  ::unlink(bundle_.root("/etc/group").c_str());
  EXPECT_EQ(resolve(""), "0:0 0");
  EXPECT_EQ(resolve("1000:50"), "1000:50 50");
  EXPECT_EQ(resolve("bob"), no_user("bob"));
}

TEST_F(UserTest, HostileFilesNeitherHangNorLeadOut) {
  ::unlink(bundle_.root("/etc/passwd").c_str());
  ASSERT_EQ(::mkfifo(bundle_.root("/etc/passwd").c_str(), 0666), 0);
  EXPECT_NE(resolve("bob").find("not a regular file"), std::string::npos);

  ::unlink(bundle_.root("/etc/passwd").c_str());
  ASSERT_EQ(::mknod(bundle_.root("/etc/passwd").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
  EXPECT_NE(resolve("bob").find("not a regular file"), std::string::npos);

  // The host's own file has this user; the container's root has no such file.
  ::unlink(bundle_.root("/etc/passwd").c_str());
  ASSERT_EQ(::symlink("../../../../../../../../etc/passwd", bundle_.root("/etc/passwd").c_str()), 0);
  EXPECT_NE(resolve("daemon"), "1:1 1");

  ::unlink(bundle_.root("/etc/passwd").c_str());
  const int fd = ::open(bundle_.root("/etc/passwd").c_str(), O_CREAT | O_WRONLY, 0644);
  ASSERT_EQ(::ftruncate(fd, off_t{1} << 34), 0);
  ::close(fd);
  EXPECT_NE(resolve("bob").find("File too large"), std::string::npos);

  bundle_.write_root("/etc/passwd", std::string(100000, ':') + "\n" + std::string(1 << 20, 'x') + "\nbob:x:3:4:a:b");
  EXPECT_EQ(resolve("bob"), "3:4 4 50 10");
}

}  // namespace
}  // namespace gantry::test
