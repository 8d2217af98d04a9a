#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bundle.h"

namespace gantry::test {
namespace {

/// Everything the terminal says until its last user has gone.
std::string read_all(int terminal) {
  std::string text;
  char buffer[1024];
  pollfd ready{terminal, POLLIN, 0};
  while (::poll(&ready, 1, 10000) > 0) {
    const ssize_t size = ::read(terminal, buffer, sizeof buffer);
    if (size <= 0) break;
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

TEST(Terminal, IsTheContainersOwn) {
  Bundle bundle;
  bundle.process()["terminal"] = true;
  bundle.process()["consoleSize"] = {{"height", 31}, {"width", 97}};
  bundle.process()["user"] = {{"username", "bob"}};
  bundle.script(
      "tty; stty size; stat -c '%n %u %t,%T' /dev/console /dev/pts/0; grep ' /dev/console ' /proc/self/mounts; "
      "echo typed > /dev/tty");
  Process process = create_container(bundle.spec(), {});
  const UniqueFd terminal = process.take_terminal();
  ASSERT_TRUE(terminal);
  process.start();
  const std::string text = read_all(terminal.get());
  EXPECT_EQ(wait_for(process), 0);
  EXPECT_EQ(text.substr(0, text.find("devpts")),
            "/dev/pts/0\r\n31 97\r\n/dev/console 1000 88,0\r\n/dev/pts/0 1000 88,0\r\n");
  EXPECT_NE(text.find("devpts /dev/console"), std::string::npos) << text;
  EXPECT_NE(text.find("typed\r\n"), std::string::npos) << text;
}

TEST(Terminal, CarriesInputSignalsAndSize) {
  Bundle bundle;
  bundle.process()["terminal"] = true;
  bundle.script(
      "trap 'echo interrupted; exit 3' INT; trap 'stty size' WINCH; read line; echo got $line; while :; do sleep 0.1; "
      "done");
  Process process = create_container(bundle.spec(), {});
  const UniqueFd terminal = process.take_terminal();
  process.start();
  ASSERT_EQ(::write(terminal.get(), "hello\n", 6), 6);
  ::usleep(300000);
  winsize size{12, 34, 0, 0};
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  ::usleep(300000);
  ASSERT_EQ(::write(terminal.get(), "\x03", 1), 1);
  const std::string text = read_all(terminal.get());
  EXPECT_EQ(wait_for(process), 3);
  for (const char* expected : {"got hello", "12 34", "interrupted"})
    EXPECT_NE(text.find(expected), std::string::npos) << text;
}

TEST(Terminal, WorksForAnExec) {
  Bundle bundle;
  Sleeper sleeper(bundle);
  nlohmann::json process = bundle.process();
  process["terminal"] = true;
  process["consoleSize"] = {{"height", 5}, {"width", 6}};
  process["args"] = {"sh", "-c", "tty; stty size"};
  Process running = create_exec(bundle.spec(), process, sleeper.init().pid(), sleeper.init().pidfd(), {});
  const UniqueFd terminal = running.take_terminal();
  running.start();
  EXPECT_EQ(read_all(terminal.get()), "/dev/pts/0\r\n5 6\r\n");
  EXPECT_EQ(wait_for(running), 0);
}

TEST(Terminal, IsNotTakenFromWhatOnlyLooksLikeDevpts) {
  Bundle bundle;
  for (auto& mount : bundle.spec()["mounts"])
    if (mount["destination"] == "/dev/pts")
      mount = {{"destination", "/dev/pts"}, {"type", "tmpfs"}, {"source", "tmpfs"}};
  bundle.process()["terminal"] = true;
  EXPECT_THROW(create_container(bundle.spec(), {}), Error);
}

}  // namespace
}  // namespace gantry::test
