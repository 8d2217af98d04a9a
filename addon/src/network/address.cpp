#include "network/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

size_t NetworkAddress::size() const { return family == AF_INET ? 4 : 16; }

bool NetworkAddress::operator==(const NetworkAddress& other) const {
  return family == other.family && prefix == other.prefix && bytes == other.bytes;
}

NetworkAddress parse_address(const std::string& text) {
  NetworkAddress result;
  const size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  result.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const auto most = static_cast<unsigned>(result.size() * 8);
  unsigned prefix = most;
  if (slash != std::string::npos) {
    const char *begin = text.data() + slash + 1, *end = text.data() + text.size();
    const auto [next, error] = std::from_chars(begin, end, prefix);
    if (error != std::errc() || next != end || prefix > most) throw Error("parse address \"" + text + "\"", EINVAL);
  }
  result.prefix = static_cast<uint8_t>(prefix);
  if (::inet_pton(result.family, host.c_str(), result.bytes.data()) != 1)
    throw Error("parse address \"" + text + "\"", EINVAL);
  return result;
}

std::array<uint8_t, 6> parse_mac_address(const std::string& text) {
  std::array<uint8_t, 6> result = {};
  const char *at = text.data(), *end = at + text.size();
  for (size_t i = 0; i < result.size(); ++i) {
    const bool last = i + 1 == result.size();
    const auto [next, error] = std::from_chars(at, end, result[i], 16);
    if (error != std::errc() || (last ? next != end : next == end || *next != ':'))
      throw Error("parse MAC address \"" + text + "\"", EINVAL);
    at = last ? next : next + 1;
  }
  return result;
}

void require_interface_name(const std::string& name) {
  const bool allowed = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
                       std::none_of(name.begin(), name.end(), [](unsigned char c) {
                         return c == '/' || c == ':' || c == '\0' || std::isspace(c);
                       });
  if (!allowed) throw Error("use \"" + name + "\" as the name of a network interface", EINVAL);
}

namespace {

ifaddrmsg address_header(uint32_t link, const NetworkAddress& address) {
  ifaddrmsg header = {};
  header.ifa_family = static_cast<uint8_t>(address.family);
  header.ifa_prefixlen = address.prefix;
  header.ifa_index = link;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  if (address.family == AF_INET6) header.ifa_flags = IFA_F_NODAD;
  return header;
}

}  // namespace

void add_address(NetlinkBatch& batch, uint32_t link, const NetworkAddress& address, const std::string& text) {
  batch.message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address_header(link, address), "add address " + text, EEXIST);
  batch.attribute(IFA_LOCAL, address.bytes.data(), address.size());
  batch.attribute(IFA_ADDRESS, address.bytes.data(), address.size());
  if (address.family == AF_INET && address.prefix < 31) {
    std::array<uint8_t, 4> broadcast = {};
    for (size_t i = 0; i < broadcast.size(); ++i) {
      const int network_bits = std::clamp(address.prefix - static_cast<int>(i) * 8, 0, 8);
      broadcast[i] = static_cast<uint8_t>(address.bytes[i] | (0xff >> network_bits));
    }
    batch.attribute(IFA_BROADCAST, broadcast.data(), broadcast.size());
  }
}

void remove_address(NetlinkBatch& batch, uint32_t link, const NetworkAddress& address) {
  batch.message(RTM_DELADDR, 0, address_header(link, address), "remove an old address", EADDRNOTAVAIL);
  batch.attribute(IFA_LOCAL, address.bytes.data(), address.size());
  batch.attribute(IFA_ADDRESS, address.bytes.data(), address.size());
}

void set_interface_sysctl(const char* protocol, const std::string& interface, const char* name, const char* value) {
  const std::string path = std::string("/proc/sys/net/") + protocol + "/conf/" + interface + "/" + name;
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return;
  check(file.get(), "open " + path);
  check(::write(file.get(), value, 1), "write " + std::string(value) + " to " + path);
}

void write_interface_sysctl(const std::string& protocol, const std::string& group, const std::string& interface,
                            const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/net/" + protocol + "/" + group + "/" + interface + "/" + name;
  if ((protocol != "ipv4" && protocol != "ipv6") || (group != "conf" && group != "neigh") ||
      name.find('/') != std::string::npos)
    throw Error("write " + path, EINVAL);
  UniqueFd file(check(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open " + path));
  check(::write(file.get(), value.data(), value.size()), "write " + value + " to " + path);
}

}  // namespace gantry
