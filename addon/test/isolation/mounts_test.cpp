#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "bundle.h"
#include "isolation/overlay.h"
#include "isolation/rootfs.h"

namespace gantry::test {
namespace {

/// The line of /proc/self/mounts for a destination.
std::string mount_line(const std::string& destination) { return "grep ' " + destination + " ' /proc/self/mounts"; }

/// The message of the Error that running the bundle ends with.
std::string failure(Bundle& bundle) {
  try {
    bundle.run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Mounts, HasDockersFileSystems) {
  Bundle bundle;
  const Outcome outcome = bundle.run_script("cat /proc/self/mounts");
  for (const char* line :
       {"proc /proc proc rw,nosuid,nodev,noexec,relatime", "tmpfs /dev tmpfs rw,nosuid,size=65536k",
        "devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666",
        "sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime", "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime",
        "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k"})
    EXPECT_NE(outcome.out.find(line), std::string::npos) << line << " in\n" << outcome.out;
  EXPECT_EQ(outcome.out.find("/opt"), std::string::npos) << "nothing of the host is mounted";
}

TEST(Mounts, HasDockersDevices) {
  Bundle bundle;
  const Outcome outcome = bundle.run_script(
      "cd /dev; stat -c '%n %F %a %t,%T' null zero full random urandom tty; for l in fd stdin stdout stderr ptmx; do "
      "readlink $l; done; echo x > /dev/null && dd if=/dev/zero bs=2 count=1 2>/dev/null | wc -c");
  EXPECT_EQ(outcome.out,
            "null character special file 666 1,3\nzero character special file 666 1,5\n"
            "full character special file 666 1,7\nrandom character special file 666 1,8\n"
            "urandom character special file 666 1,9\ntty character special file 666 5,0\n"
            "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n2\n")
      << outcome.err;
}

TEST(Mounts, AddsDevicesOfTheSpec) {
  Bundle bundle;
  bundle.linux_section()["devices"] = {{{"path", "/dev/sub/mine"},
                                        {"type", "c"},
                                        {"major", 1},
                                        {"minor", 5},
                                        {"fileMode", 0640},
                                        {"uid", 7},
                                        {"gid", 8}},
                                       {{"path", "/node"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  EXPECT_EQ(bundle.run_script("stat -c '%F %a %u:%g %t,%T' /dev/sub/mine /node").out,
            "character special file 640 7:8 1,5\ncharacter special file 666 0:0 1,3\n");
}

TEST(Mounts, RefusesADevicePathThatClimbs) {
  Bundle bundle;
  bundle.linux_section()["devices"] = {{{"path", "/dev/../etc/x"}, {"type", "c"}, {"major", 1}, {"minor", 5}}};
  const std::string message = failure(bundle);
  EXPECT_NE(message.find(".."), std::string::npos) << message;
}

TEST(Mounts, BindsDirectoriesAndFiles) {
  Bundle bundle;
  ::mkdir(bundle.beside("data").c_str(), 0755);
  std::ofstream(bundle.beside("data/file")) << "content";
  bundle.add_mount("/deep/er/data", "bind", bundle.beside("data"), {"rbind", "rprivate"});
  bundle.add_mount("/new/file", "bind", bundle.beside("data/file"), {"rbind", "ro", "rprivate", "noexec"});
  const Outcome outcome =
      bundle.run_script("cat /deep/er/data/file /new/file; echo more > /deep/er/data/out; echo x > /new/file; " +
                        mount_line("/new/file"));
  EXPECT_EQ(outcome.out.substr(0, 14), "contentcontent");
  EXPECT_NE(outcome.out.find(" ro,noexec,"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos);
  EXPECT_EQ(read_file(bundle.beside("data/out")), "more\n");
}

TEST(Mounts, ReadOnlyIsRecursiveOnlyWhenAskedFor) {
  for (const bool recursive : {false, true}) {
    Bundle bundle;
    ::mkdir(bundle.beside("data").c_str(), 0755);
    ::mkdir(bundle.beside("data/below").c_str(), 0755);
    ASSERT_EQ(::mount("tmpfs", bundle.beside("data/below").c_str(), "tmpfs", 0, nullptr), 0);
    bundle.add_mount("/data", "bind", bundle.beside("data"), {"rbind", recursive ? "rro" : "ro"});
    const Outcome outcome = bundle.run_script("touch /data/x; touch /data/below/y && echo written");
    ::umount2(bundle.beside("data/below").c_str(), MNT_DETACH);
    EXPECT_NE(outcome.err.find("/data/x"), std::string::npos);
    EXPECT_EQ(outcome.out, recursive ? "" : "written\n");
  }
}

TEST(Mounts, DestinationThroughLinksStaysInside) {
  Bundle bundle;
  ::mkdir(bundle.beside("data").c_str(), 0755);
  std::ofstream(bundle.beside("data/inside")) << "yes";
  ASSERT_EQ(::symlink("../../../../../../tmp/target", bundle.root("/data").c_str()), 0);
  ASSERT_EQ(::symlink("/also/absent", bundle.root("/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../../../etc", bundle.root("/up").c_str()), 0);
  bundle.add_mount("/data", "bind", bundle.beside("data"), {"rbind"});
  bundle.add_mount("/absolute/file", "bind", bundle.beside("data/inside"), {"rbind"});
  bundle.add_mount("/up/here", "bind", bundle.beside("data"), {"rbind"});
  const Outcome outcome = bundle.run_script("cat /tmp/target/inside /also/absent/file /etc/here/inside");
  EXPECT_EQ(outcome.out, "yesyesyes") << outcome.err;
  struct stat status;
  EXPECT_EQ(::stat("/tmp/target", &status), -1);
  EXPECT_EQ(::stat("/also", &status), -1);
  EXPECT_EQ(::stat("/etc/here", &status), -1);
}

TEST(Mounts, LinksInACircleAreRefused) {
  Bundle bundle;
  ASSERT_EQ(::symlink("b", bundle.root("/a").c_str()), 0);
  ASSERT_EQ(::symlink("a", bundle.root("/b").c_str()), 0);
  bundle.add_mount("/a/x", "tmpfs", "tmpfs", {});
  EXPECT_NE(failure(bundle).find("symbolic links"), std::string::npos);
}

TEST(Mounts, MagicLinksAreNotFollowed) {
  for (const char* destination : {"/proc/self/root/x", "/fds/0/x", "/proc/self/cwd/x"}) {
    Bundle hostile;
    ASSERT_EQ(::symlink("/proc/self/fd", hostile.root("/fds").c_str()), 0);
    hostile.add_mount(destination, "tmpfs", "tmpfs", {});
    EXPECT_NE(failure(hostile), "") << destination;
  }
}

TEST(Mounts, ProcMustBeARealDirectory) {
  Bundle bundle;
  ::rmdir(bundle.root("/proc").c_str());
  ASSERT_EQ(::symlink("/tmp", bundle.root("/proc").c_str()), 0);
  EXPECT_NE(failure(bundle).find("real directory"), std::string::npos);
}

TEST(Mounts, NothingCoversProc) {
  Bundle bundle;
  bundle.add_mount("/proc/self", "tmpfs", "tmpfs", {});
  EXPECT_NE(failure(bundle).find("cannot be mounted because it is inside /proc"), std::string::npos);
  Bundle allowed;
  std::ofstream(allowed.beside("uptime")) << "42 42\n";
  allowed.add_mount("/proc/uptime", "bind", allowed.beside("uptime"), {"bind"});
  EXPECT_EQ(allowed.run_script("cat /proc/uptime").out, "42 42\n");
}

TEST(Mounts, TmpfsTakesOptionsAndCopiesUp) {
  Bundle bundle;
  ::mkdir(bundle.root("/work").c_str(), 0750);
  bundle.write_root("/work/file", "kept", 0640);
  ::chown(bundle.root("/work/file").c_str(), 5, 6);
  ASSERT_EQ(::symlink("file", bundle.root("/work/link").c_str()), 0);
  bundle.add_mount("/work", "tmpfs", "tmpfs", {"tmpcopyup", "ro", "size=1m", "rprivate", "noexec", "exec", "nosuid"});
  const Outcome outcome =
      bundle.run_script("cat /work/link; stat -c '%a %u:%g' /work /work/file; touch /work/x; " + mount_line("/work"));
  EXPECT_EQ(outcome.out.substr(0, outcome.out.find("tmpfs")), "kept750 0:0\n640 5:6\n");
  EXPECT_NE(outcome.out.find("tmpfs /work tmpfs ro,nosuid,relatime,size=1024k"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err, "");
}

TEST(Mounts, TmpfsHasTheModeOfWhatItCovers) {
  Bundle bundle;
  ::mkdir(bundle.root("/work").c_str(), 0700);
  ::chmod(bundle.root("/work").c_str(), 02751);
  ::mkdir(bundle.root("/other").c_str(), 0700);
  bundle.write_root("/work/file", "hidden", 0640);
  bundle.add_mount("/work", "tmpfs", "tmpfs", {"uid=5", "ro"});
  bundle.add_mount("/fresh", "tmpfs", "tmpfs", {});
  bundle.add_mount("/other", "tmpfs", "tmpfs", {"mode=711"});
  const Outcome outcome = bundle.run_script("stat -c '%a %u' /work /fresh /other; ls /work; touch /work/x; " +
                                            mount_line("/work") + " | cut -c1-21");
  EXPECT_EQ(outcome.out, "2751 5\n1777 0\n711 0\ntmpfs /work tmpfs ro,\n") << outcome.err;
}

TEST(Mounts, TellsWhatTheKernelSaysAboutAnOption) {
  Bundle bundle;
  bundle.add_mount("/x", "tmpfs", "tmpfs", {"nonsense=1"});
  const std::string message = failure(bundle);
  EXPECT_NE(message.find("tmpfs"), std::string::npos);
  EXPECT_NE(message.find("nonsense"), std::string::npos);
  Bundle bind;
  bind.add_mount("/x", "bind", "/tmp", {"bind", "size=1"});
  EXPECT_NE(failure(bind).find("size"), std::string::npos);
}

TEST(Mounts, MasksAndProtectsPaths) {
  Bundle bundle;
  const Outcome outcome = bundle.run_script(
      "cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware; echo 1 > /proc/sys/kernel/domainname; "
      "touch /proc/acpi/x");
  EXPECT_EQ(outcome.out, "/proc/acpi:\n\n/sys/firmware:\n");
  EXPECT_NE(outcome.err.find("/proc/sys/kernel/domainname: Read-only file system"), std::string::npos) << outcome.err;
}

TEST(Mounts, RootCanBeReadOnlyWithItsWorkingDirectoryMade) {
  Bundle bundle;
  bundle.spec()["root"]["readonly"] = true;
  bundle.process()["cwd"] = "/made/for/it";
  const Outcome outcome = bundle.run_script("pwd; touch /x; touch /dev/shm/y && stat -c '%a %u' .");
  EXPECT_EQ(outcome.out, "/made/for/it\n755 0\n");
  EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos);
}

TEST(Mounts, OverlayRootKeepsItsLayers) {
  Bundle bundle;
  ::mkdir(bundle.beside("top").c_str(), 0755);
  ::mkdir(bundle.beside("upper").c_str(), 0755);
  ::mkdir(bundle.beside("work").c_str(), 0755);
  std::ofstream(bundle.beside("top/layer")) << "top";
  bundle.script("cat /layer; echo new > /written; echo changed > /etc/passwd");
  LaunchOptions options;
  {
    const UniqueFd root =
        mount_overlay({bundle.beside("top"), bundle.root()}, bundle.beside("upper"), bundle.beside("work"));
    options.root_mount = root.get();
    EXPECT_EQ(bundle.run(options).out, "top");
  }
  EXPECT_EQ(read_file(bundle.beside("upper/written")), "new\n");
  EXPECT_NE(read_file(bundle.root("/etc/passwd")).find("bob"), std::string::npos);

  const UniqueFd single = mount_overlay({bundle.root()}, "", "");
  options.root_mount = single.get();
  bundle.script("touch /x");
  EXPECT_NE(bundle.run(options).err.find("Read-only"), std::string::npos);
  EXPECT_THROW(mount_overlay({bundle.beside("top"), "/absent"}, "", ""), Error);
}

TEST(Mounts, OverlayComesOutTheSameOnOldAndNewKernels) {
  for (const auto mount : {mount_overlay_by_context, mount_overlay_in_namespace}) {
    Bundle bundle;
    for (const char* name : {"top", "upper", "work"}) ::mkdir(bundle.beside(name).c_str(), 0755);
    std::ofstream(bundle.beside("top/layer")) << "top";
    const std::string mounts = read_file("/proc/self/mountinfo");
    // More layers than their names would fit into one page of options.
    std::vector<std::string> lower{bundle.beside("top")};
    for (int i = 0; i < 60; ++i) {
      lower.push_back(bundle.beside(std::string(100, 'n') + std::to_string(i)));
      ::mkdir(lower.back().c_str(), 0755);
    }
    lower.push_back(bundle.root());
    LaunchOptions options;
    UniqueFd root;
    try {
      root = mount(lower, bundle.beside("upper"), bundle.beside("work"), OverlaySync::ordinary);
    } catch (const Error& error) {
      if (mount == mount_overlay_by_context && error.error() == EINVAL) continue;  // an old kernel
      throw;
    }
    options.root_mount = root.get();
    bundle.script("cat /layer; echo new > /written");
    EXPECT_EQ(bundle.run(options).out, "top");
    EXPECT_EQ(read_file(bundle.beside("upper/written")), "new\n");
    EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts);
    EXPECT_THROW(
        mount({bundle.beside("top"), "/absent"}, bundle.beside("upper"), bundle.beside("work"), OverlaySync::ordinary),
        Error);
  }
}

TEST(Mounts, SubpathOfABindStaysInside) {
  Bundle bundle;
  ::mkdir(bundle.beside("volume").c_str(), 0755);
  ::mkdir(bundle.beside("volume/sub").c_str(), 0755);
  std::ofstream(bundle.beside("volume/sub/file")) << "inside";
  std::ofstream(bundle.beside("secret")) << "outside";
  ASSERT_EQ(::symlink("sub", bundle.beside("volume/link").c_str()), 0);
  ASSERT_EQ(::symlink("../secret", bundle.beside("volume/up").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", bundle.beside("volume/absolute").c_str()), 0);
  const auto use = [&bundle](const char* subpath, const char* destination = "/data") {
    bundle.add_mount(destination, "bind", bundle.beside("volume"), {"rbind"});
    bundle.spec()["mounts"].back()["subpath"] = subpath;
  };
  use("sub/file", "/one");
  EXPECT_EQ(bundle.run_script("cat /one").out, "inside");
  bundle.spec()["mounts"].erase(bundle.spec()["mounts"].size() - 1);
  use("link");
  EXPECT_EQ(bundle.run_script("cat /data/file").out, "inside");
  for (const auto& [subpath, message] :
       {std::pair("up", "escapes the base directory"), std::pair("absolute", "escapes the base directory"),
        std::pair("../secret", "escapes the base directory"), std::pair("absent/x", "cannot access path ")}) {
    bundle.spec()["mounts"].erase(bundle.spec()["mounts"].size() - 1);
    use(subpath);
    EXPECT_NE(failure(bundle).find(message), std::string::npos) << subpath;
  }
}

TEST(Mounts, ImageIsAReadOnlyOverlayOfWhichAPartMayBeTaken) {
  Bundle bundle;
  for (const char* name : {"low", "top", "low/sub", "top/sub"}) ::mkdir(bundle.beside(name).c_str(), 0755);
  std::ofstream(bundle.beside("low/sub/low")) << "low";
  std::ofstream(bundle.beside("top/sub/top")) << "top";
  ASSERT_EQ(::symlink("/etc", bundle.beside("top/out").c_str()), 0);
  const std::string layers = "lowerdir=" + bundle.beside("top") + ":" + bundle.beside("low");
  const auto use = [&](const char* destination, const char* subpath) {
    bundle.add_mount(destination, "overlay", "image", {layers, "rro", "rprivate"});
    if (*subpath) bundle.spec()["mounts"].back()["subpath"] = subpath;
  };
  const std::string mounts = read_file("/proc/self/mountinfo");
  use("/image", "");
  use("/part", "sub");
  use("/file", "sub/top");
  const Outcome outcome = bundle.run_script(
      "cat /image/sub/low /part/top /part/low /file; touch /image/x /part/x; grep -c overlay /proc/self/mounts");
  EXPECT_EQ(outcome.out, "lowtoplowtop3\n") << outcome.err;
  EXPECT_NE(outcome.err.find("/part/x: Read-only file system"), std::string::npos) << outcome.err;
  use("/outside", "out");
  EXPECT_NE(failure(bundle).find("escapes the base directory"), std::string::npos);
  EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts);
  Bundle writable;
  writable.add_mount("/t", "tmpfs", "tmpfs", {});
  writable.spec()["mounts"].back()["subpath"] = "x";
  EXPECT_NE(failure(writable).find("subpath"), std::string::npos);
}

TEST(Mounts, DirectoryOnAFileIsRefusedInDockersWords) {
  Bundle bundle;
  bundle.write_root("/file", "x");
  bundle.add_mount("/file", "bind", "/tmp", {"rbind"});
  const std::string message = failure(bundle);
  EXPECT_NE(message.find("Are you trying to mount a directory onto a file (or vice-versa)?"), std::string::npos)
      << message;
}

TEST(Mounts, PropagationIsAsAskedFor) {
  // In a mount namespace of the test's own, so that nothing reaches the host.
  const pid_t child = ::fork();
  if (child == 0) {
    ::unshare(CLONE_NEWNS);
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    std::string out;
    {
      Bundle bundle;
      for (const char* name : {"shared", "slave", "private"}) {
        const std::string path = bundle.beside(name);
        ::mkdir(path.c_str(), 0755);
        ::mount("tmpfs", path.c_str(), "tmpfs", 0, nullptr);
        ::mount(nullptr, path.c_str(), nullptr, MS_SHARED, nullptr);
        bundle.add_mount(std::string("/") + name, "bind", path, {"rbind", std::string("r") + name});
      }
      bundle.linux_section()["rootfsPropagation"] = "shared";
      const Outcome outcome = bundle.run_script("grep -E ' / (/|/shared|/slave|/private) ' /proc/self/mountinfo");
      out = outcome.out;
      for (const char* name : {"shared", "slave", "private"}) ::umount2(bundle.beside(name).c_str(), MNT_DETACH);
    }
    const auto line = [&out](const std::string& destination) {
      const size_t start = out.find(" / " + destination + " ");
      return start == std::string::npos ? std::string() : out.substr(start, out.find('\n', start) - start);
    };
    const bool good = line("/shared").find("shared:") != std::string::npos &&
                      line("/slave").find("master:") != std::string::npos &&
                      line("/private").find(":") == std::string::npos && line("/private") != "";
    if (!good) std::fprintf(stderr, "%s", out.c_str());
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace gantry::test
