#include "isolation/user_namespace.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "bundle.h"
#include "isolation/rootfs.h"

namespace gantry::test {
namespace {

TEST(UserNamespace, RootIsSomebodyElseOutside) {
  Bundle bundle;
  bundle.use_user_namespace();
  const Outcome outcome = bundle.run_script(
      "id -u; cat /proc/self/uid_map; touch /made; stat -c %u /made /dev /dev/null /dev/shm /dev/mqueue");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "0\n         0     100000      65536\n0\n0\n0\n0\n0\n");
  struct stat status;
  ASSERT_EQ(::stat(bundle.root("/made").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 100000u);
}

TEST(UserNamespace, HasAllMountsAndDevices) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.linux_section()["devices"] = {{{"path", "/dev/mine"}, {"type", "c"}, {"major", 1}, {"minor", 5}, {"uid", 3}}};
  ::mkdir(bundle.beside("data").c_str(), 0700);
  std::ofstream(bundle.beside("data/file")) << "bound";
  bundle.add_mount("/data", "bind", bundle.beside("data/file"), {"bind", "ro"});
  const Outcome outcome = bundle.run_script(
      "echo x > /dev/null && dd if=/dev/zero bs=3 count=1 2>/dev/null | wc -c; stat -c %u:%t,%T /dev/mine; cat /data; "
      "mknod /tmp/n c 1 3; ls /proc/1 >/dev/null && ls /sys/class/net; cat /proc/keys");
  EXPECT_EQ(outcome.out, "3\n3:1,5\nboundlo\n") << outcome.err;
  EXPECT_NE(outcome.err.find("/tmp/n: Operation not permitted"), std::string::npos);
}

TEST(UserNamespace, WorksOnANetworkNamespaceOfTheHost) {
  Bundle other, bundle;
  Sleeper sleeper(other);
  bundle.use_user_namespace();
  for (auto& entry : bundle.linux_section()["namespaces"])
    if (entry["type"] == "network") entry["path"] = "/proc/" + std::to_string(sleeper.init().pid()) + "/ns/net";
  bundle.linux_section()["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  const Outcome outcome = bundle.run_script("ls /sys/class/net; cat /proc/sys/net/ipv4/ip_forward");
  EXPECT_EQ(outcome.out, "lo\n1\n") << outcome.err;
}

TEST(UserNamespace, UsersAndSeccompAndRlimitsWork) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.process()["user"] = {{"username", "bob"}};
  bundle.process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 99}, {"hard", 101}}};
  bundle.process()["oomScoreAdj"] = 100;
  EXPECT_EQ(bundle.run_script("id -u; id -G; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj").out,
            "1000\n1001 10 50\n99\n101\n100\n");
}

TEST(UserNamespace, ExecEntersIt) {
  Bundle bundle;
  bundle.use_user_namespace();
  Sleeper sleeper(bundle);
  EXPECT_EQ(sleeper.exec_script("id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user").out,
            "0\n         0     100000      65536\n" + sleeper.exec_script("readlink /proc/1/ns/user").out);
  const std::string status = read_file("/proc/" + std::to_string(sleeper.init().pid()) + "/status");
  EXPECT_NE(status.find("Uid:\t100000\t100000"), std::string::npos);
}

TEST(UserNamespace, TerminalWorks) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.process()["terminal"] = true;
  bundle.script("tty; stat -c %u /dev/console");
  Process process = create_container(bundle.spec(), {});
  const UniqueFd terminal = process.take_terminal();
  process.start();
  std::string text;
  char buffer[256];
  for (ssize_t size; (size = ::read(terminal.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(size));
  EXPECT_EQ(text, "/dev/pts/0\r\n0\r\n");
  EXPECT_EQ(wait_for(process), 0);
}

const IdMaps kMaps{{{0, 100000, 65536}}, {{0, 100000, 65536}}};
/// As a mount shows them that takes the maps back.
const IdMaps kShown{{{100000, 0, 65536}}, {{100000, 0, 65536}}};

std::string in_proc(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

TEST(UserNamespace, OneThatExistsIsJoinedWithTheNetworkThatBelongsToIt) {
  Bundle bundle;
  bundle.use_user_namespace();
  const UniqueFd network = create_network_namespace_for(kMaps);
  const UniqueFd user = user_namespace_of(network.get());
  for (auto& entry : bundle.linux_section()["namespaces"]) {
    if (entry["type"] == "network") entry["path"] = in_proc(network.get());
    if (entry["type"] == "user") entry["path"] = in_proc(user.get());
  }
  bundle.linux_section()["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  // NET_ADMIN is worth something only in the user namespace that the network belongs to.
  for (const char* set : {"bounding", "effective", "permitted"})
    bundle.process()["capabilities"][set].push_back("CAP_NET_ADMIN");
  const Outcome outcome = bundle.run_script(
      "readlink /proc/self/ns/user; /bin/busybox ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu; "
      "cat /proc/sys/net/ipv4/ip_forward; touch /made; stat -c %u /made /dev/null /dev/pts; id -u; echo $$");
  char name[64]{};
  ASSERT_GT(::readlink(in_proc(user.get()).c_str(), name, sizeof name - 1), 0);
  EXPECT_EQ(outcome.out, std::string(name) + "\n1400\n1\n0\n0\n0\n0\n1\n") << outcome.err;
}

TEST(UserNamespace, ThatOfAnotherContainerIsJoinedWithItsProcesses) {
  Bundle donor, bundle;
  donor.use_user_namespace();
  bundle.use_user_namespace();
  Sleeper sleeper(donor);
  const std::string namespaces = "/proc/" + std::to_string(sleeper.init().pid()) + "/ns/";
  for (auto& entry : bundle.linux_section()["namespaces"])
    for (const auto& [type, file] : {std::pair{"user", "user"}, {"pid", "pid"}, {"ipc", "ipc"}, {"network", "net"}})
      if (entry["type"] == type) entry["path"] = namespaces + file;
  // The processes are the other's and nobody else's, and can be signalled.
  const Outcome outcome =
      bundle.run_script("test -d /proc/1 && test $$ -ne 1 && ls -d /proc/[0-9]* | wc -l; ls /sys/class/net; kill -0 1");
  EXPECT_EQ(outcome.out.substr(outcome.out.find('\n')), "\nlo\n") << outcome.err;
  EXPECT_LE(std::stoi(outcome.out), 5);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST(UserNamespace, TheProcessesOfAnotherAreNotSeenWithoutIt) {
  Bundle donor, bundle;
  bundle.use_user_namespace();
  Sleeper sleeper(donor);
  for (auto& entry : bundle.linux_section()["namespaces"])
    if (entry["type"] == "pid") entry["path"] = "/proc/" + std::to_string(sleeper.init().pid()) + "/ns/pid";
  // The proc of the host would be mounted there.
  EXPECT_THROW(bundle.run(), Error);
}

TEST(UserNamespace, NetworkNamespaceCanBeMadeInOneThatExists) {
  const UniqueFd user = create_user_namespace(kMaps);
  const UniqueFd network = create_network_namespace_in(user.get());
  struct stat first, second;
  ASSERT_EQ(::fstat(user.get(), &first), 0);
  ASSERT_EQ(::fstat(user_namespace_of(network.get()).get(), &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  EXPECT_THROW(create_user_namespace({{{0, 100000, 10}, {5, 200000, 10}}, {{0, 0, 1}}}), Error);
}

TEST(UserNamespace, StandardStreamsCanBeOpenedAgain) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.process()["user"] = {{"username", "bob"}};
  EXPECT_EQ(bundle.run_script("echo out > /dev/stdout; echo err > /dev/stderr").out, "out\n");
}

TEST(UserNamespace, DevicesAreMappedRangeByRange) {
  Bundle bundle;
  bundle.use_user_namespace();
  for (const char* map : {"uidMappings", "gidMappings"})
    bundle.linux_section()[map] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 1000}},
                                   {{"containerID", 1000}, {"hostID", 300000}, {"size", 1000}}};
  bundle.linux_section()["devices"] = {
      {{"path", "/dev/mine"}, {"type", "c"}, {"major", 1}, {"minor", 5}, {"uid", 1001}, {"gid", 7}}};
  EXPECT_EQ(bundle.run_script("stat -c %u:%g /dev/mine").out, "1001:7\n");
  bundle.linux_section()["devices"][0]["uid"] = 2000;
  EXPECT_THROW(bundle.run(), Error);
}

TEST(UserNamespace, LayersOfOneAreShownToTheHost) {
  Bundle bundle;
  bundle.use_user_namespace();
  for (const char* name : {"top", "c", "c/upper", "c/work"}) {
    ::mkdir(bundle.beside(name).c_str(), 0755);
    ASSERT_EQ(::chown(bundle.beside(name).c_str(), 100000, 100000), 0);
  }
  std::ofstream(bundle.beside("top/layer")) << "x";
  ASSERT_EQ(::chown(bundle.beside("top/layer").c_str(), 101000, 100007), 0);
  Bundle host;
  const UniqueFd root = mount_overlay({bundle.beside("top"), bundle.root()}, bundle.beside("c/upper"),
                                      bundle.beside("c/work"), OverlaySync::ordinary, kShown);
  LaunchOptions options;
  options.root_mount = root.get();
  host.script("stat -c %u:%g / /bin/busybox /layer; touch /made; echo y > /layer; cat /proc/self/uid_map | wc -l");
  EXPECT_EQ(host.run(options).out, "0:0\n0:0\n1000:7\n1\n");
  struct stat made, changed;
  ASSERT_EQ(::stat(bundle.beside("c/upper/made").c_str(), &made), 0);
  ASSERT_EQ(::stat(bundle.beside("c/upper/layer").c_str(), &changed), 0);
  EXPECT_EQ(made.st_uid, 100000u);
  EXPECT_EQ(changed.st_uid, 101000u);

  const UniqueFd single = mount_overlay({bundle.root()}, "", "", OverlaySync::ordinary, kShown);
  options.root_mount = single.get();
  host.script("stat -c %u:%g /bin/busybox");
  EXPECT_EQ(host.run(options).out, "0:0\n");
  EXPECT_THROW(
      mount_overlay({bundle.root()}, bundle.beside("c/upper"), bundle.beside("top"), OverlaySync::ordinary, kShown),
      Error);
}

TEST(UserNamespace, BindMountsShowMappedIds) {
  Bundle bundle;
  ::mkdir(bundle.beside("volume").c_str(), 0755);
  ASSERT_EQ(::chown(bundle.beside("volume").c_str(), 100000, 100005), 0);
  bundle.add_mount("/volume", "bind", bundle.beside("volume"), {"rbind"});
  auto& mount = bundle.spec()["mounts"].back();
  for (const char* map : {"uidMappings", "gidMappings"})
    mount[map] = {{{"containerID", 100000}, {"hostID", 0}, {"size", 65536}}};
  EXPECT_EQ(bundle.run_script("stat -c %u:%g /volume; touch /volume/made").out, "0:5\n");
  struct stat made;
  ASSERT_EQ(::stat(bundle.beside("volume/made").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, 100000u);
  // Not every file system can.
  mount["source"] = "/proc";
  mount["destination"] = "/volume";
  EXPECT_THROW(bundle.run(), Error);
}

TEST(UserNamespace, NeedsAMappingForRoot) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.linux_section()["uidMappings"][0]["containerID"] = 5;
  EXPECT_THROW(bundle.run(), Error);
}

}  // namespace
}  // namespace gantry::test
