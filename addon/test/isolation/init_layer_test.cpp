#include "isolation/init_layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "isolation/error.h"

namespace gantry::test {
namespace {

namespace fs = std::filesystem;

/// An image of one layer, and the layer that is made above it.
class InitLayer : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/gantry-init-layer-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    for (const char* name : {"image", "upper", "work"}) fs::create_directory(at(name));
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path at(const std::string& name) const { return directory_ / name; }

  void make() {
    std::thread([&] { make_init_layer({at("image")}, at("upper"), at("work")); }).join();
  }

  /// All that the layer brings, "etc/" for a directory.
  std::set<std::string> made() const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(at("upper")))
      found.insert(entry.path().lexically_relative(at("upper")).string() +
                   (entry.is_directory() && !entry.is_symlink() ? "/" : ""));
    return found;
  }

  mode_t mode(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::lstat(at(name).c_str(), &status), 0) << name;
    return status.st_mode & 07777;
  }

 private:
  fs::path directory_;
};

TEST_F(InitLayer, BringsWhatNoImageDoes) {
  make();
  EXPECT_EQ(made(), (std::set<std::string>{"dev/", "proc/", "sys/", "etc/", "etc/hostname", "etc/hosts",
                                           "etc/resolv.conf", "etc/mtab", ".dockerenv"}));
  EXPECT_EQ(fs::read_symlink(at("upper/etc/mtab")), "/proc/mounts");
  EXPECT_EQ(mode("upper/dev"), 0755U);
  EXPECT_EQ(mode("upper/.dockerenv"), 0755U);
  for (const char* name : {"hostname", "hosts", "resolv.conf"})
    EXPECT_EQ(fs::file_size(at("upper/etc") / name), 0U) << name;
}

TEST_F(InitLayer, LeavesAloneWhatTheImageHas) {
  for (const char* name : {"dev", "proc", "sys", "etc"}) fs::create_directory(at("image") / name);
  for (const char* name : {"etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv"})
    std::ofstream(at("image") / name) << "the image's";
  ASSERT_EQ(::chmod(at("image/dev").c_str(), 0700), 0);
  make();
  EXPECT_EQ(made(), std::set<std::string>{});
}

TEST_F(InitLayer, DoesNotDependOnTheUmask) {
  const mode_t before = ::umask(077);
  make();
  // The umask of the thread that made it was its own.
  EXPECT_EQ(::umask(before), 077U);
  EXPECT_EQ(mode("upper/etc"), 0755U);
  EXPECT_EQ(mode("upper/proc"), 0755U);
}

TEST_F(InitLayer, LinksOfTheImageLeadNowhereElse) {
  fs::create_directory(at("outside"));
  fs::create_symlink(at("outside"), at("image/etc"));
  std::string failure;
  std::thread([&] {
    try {
      make_init_layer({at("image")}, at("upper"), at("work"));
    } catch (const Error& error) {
      failure = error.what();
    }
  }).join();
  EXPECT_TRUE(fs::is_empty(at("outside"))) << failure;
}

}  // namespace
}  // namespace gantry::test
