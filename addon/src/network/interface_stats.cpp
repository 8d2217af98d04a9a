#include <fcntl.h>

#include <sstream>

#include "isolation/error.h"
#include "network/network.h"

namespace gantry {

std::vector<InterfaceStats> parse_interface_stats(const std::string& text) {
  std::vector<InterfaceStats> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    // "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ..."; two lines of
    // heading
    const size_t colon = line.rfind(':');
    if (colon == std::string::npos) continue;
    InterfaceStats stats;
    std::istringstream(line.substr(0, colon)) >> stats.name;
    std::istringstream fields(line.substr(colon + 1));
    uint64_t fifo = 0, frame = 0, compressed = 0, multicast = 0;
    fields >> stats.rx.bytes >> stats.rx.packets >> stats.rx.errors >> stats.rx.dropped;
    fields >> fifo >> frame >> compressed >> multicast;
    fields >> stats.tx.bytes >> stats.tx.packets >> stats.tx.errors >> stats.tx.dropped;
    if (fields && stats.name != "lo") result.push_back(std::move(stats));
  }
  return result;
}

std::vector<InterfaceStats> interface_stats(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/net/dev";
  UniqueFd file(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = check(::read(file.get(), buffer, sizeof buffer), "read " + path)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  return parse_interface_stats(text);
}

}  // namespace gantry
