#include "isolation/volume_mount.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "isolation/error.h"

namespace gantry::test {
namespace {

/// A directory that goes away, used on a thread with a mount namespace of its own, so that nothing reaches the host.
class VolumeMount : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/gantry-volume-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    for (const char* name : {"volume", "source", "source/sub"}) ASSERT_EQ(::mkdir(at(name).c_str(), 0755), 0);
    std::ofstream(at("source/file")) << "x";
  }
  void TearDown() override {
    ::unlink(at("source/sub/" + std::string(255, 'x')).c_str());
    ::unlink(at("source/file").c_str());
    for (const char* name : {"source/sub", "source", "volume"}) ::rmdir(at(name).c_str());
    EXPECT_EQ(::rmdir(directory_.c_str()), 0);
  }
  std::string at(const std::string& name) const { return directory_ + "/" + name; }

  template <typename Work>
  void apart(Work work) {
    std::thread([&] {
      ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
      ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      work();
    }).join();
  }

  std::string failure(const std::string& type, const std::string& device, const std::vector<std::string>& options) {
    try {
      mount_volume(type, device, options, at("volume"));
    } catch (const Error& error) {
      EXPECT_FALSE(is_mount_point(at("volume")));
      return error.what();
    }
    return "";
  }

 private:
  std::string directory_;
};

TEST_F(VolumeMount, TmpfsTakesItsOptions) {
  apart([&] {
    mount_volume("tmpfs", "tmpfs", {"size=1m", "uid=5", "noexec"}, at("volume"));
    EXPECT_TRUE(is_mount_point(at("volume")));
    struct stat status;
    ASSERT_EQ(::stat(at("volume").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 5U);
    struct statfs file_system;
    ASSERT_EQ(::statfs(at("volume").c_str(), &file_system), 0);
    EXPECT_EQ(file_system.f_blocks * static_cast<uint64_t>(file_system.f_bsize), 1U << 20);
    EXPECT_NE(file_system.f_flags & MS_NOEXEC, 0);
    mount_volume("tmpfs", "tmpfs", {}, at("volume"));
    unmount_volume(at("volume"));
    EXPECT_FALSE(is_mount_point(at("volume"))) << "all that was on it is gone";
    unmount_volume(at("volume"));
  });
}

TEST_F(VolumeMount, BindIsOfADirectory) {
  apart([&] {
    ASSERT_EQ(::mount("tmpfs", at("source/sub").c_str(), "tmpfs", 0, nullptr), 0);
    std::ofstream(at("source/sub/below")) << "x";
    mount_volume("none", at("source"), {"bind", "ro"}, at("volume"));
    EXPECT_EQ(::access(at("volume/file").c_str(), F_OK), 0);
    EXPECT_EQ(::access(at("volume/file").c_str(), W_OK), -1);
    EXPECT_EQ(::access(at("volume/sub/below").c_str(), F_OK), -1);
    unmount_volume(at("volume"));
    mount_volume("none", at("source"), {"rbind"}, at("volume"));
    EXPECT_EQ(::access(at("volume/sub/below").c_str(), F_OK), 0);
    unmount_volume(at("volume"));
    EXPECT_NE(failure("none", at("source/file"), {"bind"}).find("Not a directory"), std::string::npos);
    EXPECT_NE(failure("none", at("absent"), {"bind"}).find("absent"), std::string::npos);
    EXPECT_NE(failure("none", at("source"), {"bind", "size=1"}).find("size"), std::string::npos);
  });
}

TEST_F(VolumeMount, TellsWhatTheKernelSays) {
  apart([&] {
    EXPECT_NE(failure("tmpfs", "tmpfs", {"nonsense=1"}).find("nonsense"), std::string::npos);
    EXPECT_NE(failure("no-such-type", "none", {}).find("No such device"), std::string::npos);
  });
}

TEST_F(VolumeMount, LinkInPlaceOfTheDirectoryIsNotFollowed) {
  ASSERT_EQ(::symlink("source", at("link").c_str()), 0);
  apart([&] { EXPECT_THROW(mount_volume("tmpfs", "tmpfs", {}, at("link")), Error); });
  ::unlink(at("link").c_str());
}

TEST_F(VolumeMount, ChecksWhatLiesBeneath) {
  EXPECT_EQ(look_beneath(at("source"), "sub/../file"), Beneath::other);
  EXPECT_EQ(look_beneath(at("source"), "."), Beneath::filled_directory);
  EXPECT_EQ(look_beneath(at("source"), "sub"), Beneath::empty_directory);
  std::ofstream(at("source/sub/" + std::string(255, 'x'))) << "x";
  EXPECT_EQ(look_beneath(at("source"), "sub"), Beneath::filled_directory);
  for (const char* outside : {"../volume", "/etc", "sub/../../volume"})
    EXPECT_THROW(look_beneath(at("source"), outside), Error) << outside;
  EXPECT_THROW(look_beneath(at("source"), "absent"), Error);
  EXPECT_FALSE(is_mount_point(at("absent")));
  EXPECT_FALSE(is_mount_point(at("source/file/x")));
}

}  // namespace
}  // namespace gantry::test
