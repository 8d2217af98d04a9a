#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>
#include <memory>
#include <set>

#include "network/netlink.h"
#include "network/network_fixture.h"

namespace gantry {
namespace {

ifreq link_request(const std::string& name, unsigned long request) {
  const NetlinkSocket netlink;
  ifreq result = {};
  std::memcpy(result.ifr_name, name.data(), name.size());
  check(::ioctl(netlink.descriptor(), request, &result), "ask about " + name);
  return result;
}

/// The addresses of a link, but for those that the kernel gives it.
std::set<std::string> addresses_of(const std::string& name) {
  ifaddrs* all = nullptr;
  check(::getifaddrs(&all), "list addresses");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, ::freeifaddrs);
  std::set<std::string> result;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || name != each->ifa_name) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (each->ifa_addr->sa_family == AF_INET)
      ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof text);
    if (each->ifa_addr->sa_family == AF_INET6)
      ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr, text, sizeof text);
    if (*text != 0 && std::strncmp(text, "fe80:", 5) != 0) result.insert(text);
  }
  return result;
}

using Addresses = std::set<std::string>;

TEST_F(NetworkTest, CreatesABridge) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 1400);
  EXPECT_TRUE(link_exists("gtest0"));
  EXPECT_EQ(addresses_of("gtest0"), (Addresses{"10.99.0.1", "fd99::1"}));
  EXPECT_EQ(link_request("gtest0", SIOCGIFMTU).ifr_mtu, 1400);
  EXPECT_NE(link_request("gtest0", SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
}

TEST_F(NetworkTest, LeavesABridgeAsItIsWhenAskedAgain) {
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  const unsigned index = ::if_nametoindex("gtest0");
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  EXPECT_EQ(::if_nametoindex("gtest0"), index);
  EXPECT_EQ(addresses_of("gtest0"), Addresses{"10.99.0.1"});
}

TEST_F(NetworkTest, ReplacesAddressesOfTheFamiliesGiven) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 0);
  ensure_bridge("gtest0", {"10.98.0.1/24"}, 0);
  EXPECT_EQ(addresses_of("gtest0"), (Addresses{"10.98.0.1", "fd99::1"}));
  ensure_bridge("gtest0", {}, 0);
  EXPECT_EQ(addresses_of("gtest0"), (Addresses{"10.98.0.1", "fd99::1"}));
}

TEST_F(NetworkTest, DoesNotTakeAnotherLinkForABridge) {
  try {
    ensure_bridge("lo", {"10.99.0.1/24"}, 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), EEXIST);
  }
  EXPECT_EQ(addresses_of("lo").count("10.99.0.1"), 0u);
}

TEST_F(NetworkTest, LeavesNoBridgeBehindOnFailure) {
  EXPECT_THROW(ensure_bridge("gtest0", {"10.99.0.1/99"}, 0), Error);
  EXPECT_THROW(ensure_bridge("gtest0", {"10.99.0.1/24"}, 1), Error);
  EXPECT_FALSE(link_exists("gtest0"));
}

TEST_F(NetworkTest, DeletesLinks) {
  ensure_bridge("gtest0", {}, 0);
  delete_link("gtest0");
  EXPECT_FALSE(link_exists("gtest0"));
  delete_link("gtest0");
}

TEST_F(NetworkTest, CreatesNamespacesWithALoopback) {
  const UniqueFd space = create_network_namespace();
  inside(space, [] {
    EXPECT_NE(link_request("lo", SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
    EXPECT_EQ(addresses_of("lo").count("127.0.0.1"), 1u);
  });
}

}  // namespace
}  // namespace gantry
