#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "bundle.h"

namespace gantry::test {
namespace {

TEST(UserNamespace, RootIsSomebodyElseOutside) {
  Bundle bundle;
  bundle.use_user_namespace();
  const Outcome outcome =
      bundle.run_script("id -u; cat /proc/self/uid_map; touch /made; stat -c %u /made /dev /dev/null /dev/shm");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "0\n         0     100000      65536\n0\n0\n0\n0\n");
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

TEST(UserNamespace, NeedsAMappingForRoot) {
  Bundle bundle;
  bundle.use_user_namespace();
  bundle.linux_section()["uidMappings"][0]["containerID"] = 5;
  EXPECT_THROW(bundle.run(), Error);
}

}  // namespace
}  // namespace gantry::test
