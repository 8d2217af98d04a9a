#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "archive/changes.h"
#include "archive/stat_path.h"
#include "archive/support.h"

namespace gantry::archive::test {
namespace {

RawEntry file(const std::string& name) {
  RawEntry entry;
  entry.name = name;
  return entry;
}

bool is_whiteout(const std::string& path) {
  const struct stat status = status_of(path);
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

bool is_opaque(const std::string& path) {
  char value = 0;
  return getxattr(path.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

UnpackOptions layer() {
  UnpackOptions options;
  options.whiteouts = true;
  return options;
}

std::string describe(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) {
    text += "CAD"[static_cast<int>(change.kind)];
    text += " " + change.path + "\n";
  }
  return text;
}

/// Mounts live in a namespace of the calling thread and go with it.
void on_a_thread(const std::function<void()>& work) {
  std::thread([&] {
    try {
      work();
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }).join();
}

TEST(Layer, WhiteoutsComeIn) {
  const Scratch scratch;
  RawEntry directory = file("back/");
  directory.type = '5';
  directory.mode = 0755;
  unpack_bytes(scratch.root(),
               archive_of({file("dir/.wh.gone"), file("opaque/.wh..wh..opq"), file("opaque/kept"), file(".wh..wh.plnk"),
                           file("stays"), file(".wh.stays"), file(".wh.back"), directory, file(".wh.parent"),
                           file("parent/child")}),
               layer());
  EXPECT_TRUE(is_whiteout(scratch.in("dir/gone")));
  EXPECT_TRUE(is_opaque(scratch.in("opaque")));
  EXPECT_TRUE(exists(scratch.in("opaque/kept")));
  EXPECT_FALSE(exists(scratch.in(".wh..wh.plnk")));
  EXPECT_TRUE(S_ISREG(status_of(scratch.in("stays")).st_mode));
  EXPECT_TRUE(is_opaque(scratch.in("back"))) << "removed and made again: nothing of the old one may show";
  EXPECT_TRUE(is_opaque(scratch.in("parent")));
  EXPECT_TRUE(exists(scratch.in("parent/child")));
}

TEST(Layer, InvalidWhiteoutsAreRefused) {
  const Scratch scratch;
  for (const char* name : {".wh.", ".wh..", ".wh...", "a/.wh.."}) {
    EXPECT_NE(unpack_failure(scratch.root(), archive_of({file(name)}), layer()).find("invalid whiteout"),
              std::string::npos)
        << name;
  }
}

TEST(Layer, WithoutTheOptionTheyAreFiles) {
  const Scratch scratch;
  unpack_bytes(scratch.root(), archive_of({file(".wh.x")}));
  EXPECT_TRUE(S_ISREG(status_of(scratch.in(".wh.x")).st_mode));
}

class Overlay : public testing::Test {
 protected:
  void SetUp() override {
    run("cd " + scratch.path() +
        " && mkdir -p low1 low2 upper work volume && cd low1 && mkdir -p etc/sub opq/d usr/lib data empty && echo a > "
        "etc/hosts && echo x > etc/sub/f && echo b > opq/d/b && echo a > opq/a && ln -s etc/sub/f flnk && echo k > "
        "data/k && echo same > same && mkdir hidden && echo h > hidden/h && cd ../low2 && mknod hidden c 0 0 && echo "
        "two > two && find .. -exec touch -h -d @1000000 {} +");
    spec.kind = RootSpec::Kind::overlay;
    spec.lower = {scratch.path() + "/low2", scratch.path() + "/low1"};
    spec.upper = scratch.path() + "/upper";
    spec.work = scratch.path() + "/work";
  }
  void TearDown() override {
    EXPECT_EQ(read_file("/proc/self/mountinfo").find(scratch.path()), std::string::npos) << "mounts leaked to the host";
  }

  /// Runs a shell command inside the overlay, mounted by the operation under test's own code.
  void in_overlay(const std::string& command) {
    on_a_thread([&] {
      const Root root(spec);
      run("cd /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(root.fd()) + "/ && " + command);
    });
  }

  Scratch scratch;
  RootSpec spec;
};

TEST_F(Overlay, ChangesAreThoseOfDockerDiff) {
  in_overlay(
      "echo changed >> etc/hosts; rm etc/sub/f; mkdir -p new/a; touch new/a/c; rm -r opq; mkdir opq; touch opq/z; "
      "chmod "
      "700 data; rm -r usr/lib; ln -s x slink; rm flnk; touch flnk; touch -r same /tmp/.gantry-ref; chmod 600 same; "
      "chmod 644 same; rm /tmp/.gantry-ref; mkdir hidden; rm two; rmdir empty; touch empty");
  EXPECT_EQ(describe(list_changes(spec.lower, spec.upper, {})),
            "C /data\nC /empty\nC /etc\nC /etc/hosts\nC /etc/sub\nD /etc/sub/f\nC /flnk\nA /hidden\nA /new\nA /new/a\n"
            "A /new/a/c\nC /opq\nD /opq/a\nD /opq/d\nA /opq/z\nA /slink\nD /two\nC /usr\nD /usr/lib\n");
}

TEST_F(Overlay, ExcludedChangesDoNotShow) {
  in_overlay("touch etc/resolv.conf; touch etc/sub/new");
  EXPECT_EQ(describe(list_changes(spec.lower, spec.upper, {"/etc/resolv.conf"})),
            "C /etc\nC /etc/sub\nA /etc/sub/new\n");
  EXPECT_EQ(describe(list_changes(spec.lower, spec.upper, {"/etc/resolv.conf", "/etc/sub"})), "");
}

TEST_F(Overlay, CommittedLayerGivesTheSameTree) {
  in_overlay("echo changed >> etc/hosts; rm etc/sub/f; rm -r opq; mkdir opq; touch opq/z; rm -r usr/lib; rm two");
  PackOptions options;
  options.as = "";
  options.whiteouts = true;
  const std::string bytes = pack_bytes(spec.upper, "/", options);
  EXPECT_NE(bytes.find("etc/sub/.wh.f"), std::string::npos);
  EXPECT_NE(bytes.find("opq/.wh..wh..opq"), std::string::npos);
  unpack_bytes(scratch.root(), bytes, layer());
  EXPECT_TRUE(is_whiteout(scratch.in("usr/lib")));
  EXPECT_TRUE(is_opaque(scratch.in("opq")));

  RootSpec committed;
  committed.kind = RootSpec::Kind::overlay;
  committed.lower = spec.lower;
  committed.lower.insert(committed.lower.begin(), scratch.root());
  std::string before;
  std::string after;
  const auto list = [](const RootSpec& root_spec, std::string& text) {
    on_a_thread([&] {
      const Root root(root_spec);
      text = run("cd /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(root.fd()) +
                 "/ && find . -mindepth 1 -printf '%p %y %m %s\\n' | sort");
    });
  };
  list(spec, before);
  list(committed, after);
  EXPECT_EQ(after, before);
}

TEST_F(Overlay, OperationsSeeVolumesAndLeaveNoMount) {
  write_file(scratch.path() + "/volume/inside", "volume");
  spec.binds.push_back({scratch.path() + "/volume", "/etc/../mnt/vol", false});
  spec.binds.push_back({scratch.path() + "/volume/inside", "/etc/one", true});
  spec.binds.push_back({scratch.path() + "/volume", "/part", false, "inside"});
  spec.binds.push_back({"image", "/image", true, "", spec.lower});
  spec.binds.push_back({"image", "/etc/two", true, "two", spec.lower});
  on_a_thread([&] {
    const Root root(spec);
    EXPECT_EQ(archive::read_file(root, "/mnt/vol/inside", 100), "volume");
    EXPECT_EQ(archive::read_file(root, "/etc/one", 100), "volume");
    EXPECT_FALSE(root.try_open("/etc/one", O_WRONLY));
    EXPECT_EQ(errno, EROFS);
    EXPECT_EQ(archive::read_file(root, "/part", 100), "volume");
    EXPECT_EQ(archive::read_file(root, "/image/two", 100), "two\n");
    EXPECT_EQ(archive::read_file(root, "/etc/two", 100), "two\n");
    EXPECT_FALSE(root.try_open("/etc/two", O_WRONLY));
  });
  EXPECT_FALSE(exists(spec.upper + "/mnt/vol/inside"));
  spec.binds.push_back({scratch.path() + "/volume", "/outside", false, "../volume"});
  on_a_thread([&] { EXPECT_THROW(Root root(spec), Error); });
}

TEST_F(Overlay, BelongsToTheRootOfAUserNamespace) {
  write_file(scratch.path() + "/volume/mine", "x");
  run("chown 5:6 " + scratch.path() + "/volume/mine");
  Bind volume{scratch.path() + "/volume", "/new/vol"};
  volume.shown = {{{5, 100005, 1}}, {{6, 100006, 1}}};
  spec.binds.push_back(volume);
  spec.owner = {100000, 100007};
  on_a_thread([&] {
    const Root root(spec);
    struct stat status;
    check(fstat(root.open("/new/vol/mine", O_RDONLY).get(), &status), "stat");
    EXPECT_EQ(status.st_uid, 100005u);
    EXPECT_EQ(status.st_gid, 100006u);
  });
  EXPECT_EQ(status_of(spec.upper + "/new").st_uid, 100000u);
  EXPECT_EQ(status_of(spec.upper + "/new/vol").st_gid, 100007u);
}

TEST_F(Overlay, ReadOnlyWithoutAnUpperDirectory) {
  spec.upper.clear();
  spec.work.clear();
  on_a_thread([&] {
    const Root root(spec);
    EXPECT_EQ(archive::read_file(root, "/two", 100), "two\n");
    EXPECT_EQ(stat_path(root, "/etc/sub/../hosts").resolved_path, "/etc/hosts");
    EXPECT_FALSE(root.try_open("/hidden", O_PATH));
  });
}

}  // namespace
}  // namespace gantry::archive::test
