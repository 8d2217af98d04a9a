#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "network/netlink.h"
#include "network/network_fixture.h"

namespace gantry {
namespace {

Endpoint endpoint() {
  Endpoint result;
  result.parent = "gtest0";
  result.host_interface = "gveth0";
  result.container_interface = "eth0";
  result.mac_address = "02:42:0a:63:00:02";
  result.mtu = 1400;
  result.addresses = {"10.99.0.2/24", "fd99::2/64"};
  return result;
}

std::vector<DefaultRoute> routes() { return {{AF_INET, "eth0", "10.99.0.1"}, {AF_INET6, "eth0", "fd99::1"}}; }

UniqueFd connected_namespace(const std::vector<Endpoint>& endpoints, const std::vector<DefaultRoute>& ways) {
  UniqueFd result = create_network_namespace();
  connect_namespace(result.get(), endpoints, ways);
  return result;
}

void create_endpoint(int network_namespace, const Endpoint& request, const std::vector<DefaultRoute>& ways = routes()) {
  connect_namespace(network_namespace, {request}, ways);
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <typename Address>
struct Listener {
  explicit Listener(const Address& address, int family) : address_(address) {
    socket.reset(check(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), "bind");
    check(::listen(socket.get(), 1), "listen");
    socklen_t size = sizeof address_;
    check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address_), &size), "getsockname");
  }
  /// The errno of connecting to it, ETIMEDOUT after half a second: an ARP request that was lost is repeated after one.
  int connect(int family) const {
    const UniqueFd client(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd ready = {client.get(), POLLOUT, 0};
    if (::poll(&ready, 1, 500) == 0) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
  Address address_;
  UniqueFd socket;
};

TEST_F(NetworkTest, EndpointReachesItsGatewayAtOnce) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 1400);
  const UniqueFd space = create_network_namespace();
  create_endpoint(space.get(), endpoint());

  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  ::inet_pton(AF_INET, "10.99.0.1", &v4.sin_addr);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, "fd99::1", &v6.sin6_addr);
  const Listener<sockaddr_in> first(v4, AF_INET);
  const Listener<sockaddr_in6> second(v6, AF_INET6);
  inside(space, [&] {
    EXPECT_EQ(first.connect(AF_INET), 0);
    EXPECT_EQ(second.connect(AF_INET6), 0);
  });
}

TEST_F(NetworkTest, EndpointIsConfiguredAsAsked) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 1400);
  const UniqueFd space = create_network_namespace();
  create_endpoint(space.get(), endpoint());
  EXPECT_TRUE(link_exists("gveth0"));
  EXPECT_FALSE(link_exists("eth0"));
  inside(space, [] {
    const NetlinkSocket netlink;
    ifreq request = {};
    std::strcpy(request.ifr_name, "eth0");
    check(::ioctl(netlink.descriptor(), SIOCGIFHWADDR, &request), "ask for the MAC address");
    EXPECT_EQ(std::memcmp(request.ifr_hwaddr.sa_data, "\x02\x42\x0a\x63\x00\x02", 6), 0);
    check(::ioctl(netlink.descriptor(), SIOCGIFMTU, &request), "ask for the MTU");
    EXPECT_EQ(request.ifr_mtu, 1400);
    // The default route: destination 0, gateway 10.99.0.1 in the byte order of this machine.
    EXPECT_NE(content("/proc/thread-self/net/route").find("eth0\t00000000\t0100630A"), std::string::npos);
    EXPECT_NE(content("/proc/thread-self/net/ipv6_route").find("fd990000000000000000000000000001"), std::string::npos);
  });
}

TEST_F(NetworkTest, EndpointWithoutIpv6HasNoneOfIt) {
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  const UniqueFd space = create_network_namespace();
  Endpoint request = endpoint();
  request.addresses = {"10.99.0.2/24"};
  request.mac_address = "";
  request.mtu = 0;
  create_endpoint(space.get(), request, {{AF_INET, "eth0", "10.99.0.1"}});
  inside(space, [] { EXPECT_EQ(content("/proc/thread-self/net/if_inet6").find("eth0"), std::string::npos); });
}

TEST_F(NetworkTest, EndpointGoesWithItsNamespace) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 0);
  UniqueFd space = create_network_namespace();
  create_endpoint(space.get(), endpoint());
  space.reset();
  for (int i = 0; i < 200 && link_exists("gveth0"); ++i) ::usleep(10'000);
  EXPECT_FALSE(link_exists("gveth0"));
}

TEST_F(NetworkTest, FailedEndpointLeavesNothingBehind) {
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  const UniqueFd space = create_network_namespace();
  Endpoint without_bridge = endpoint();
  without_bridge.parent = "gtest9";
  Endpoint bad_address = endpoint();
  bad_address.addresses = {"10.99.0.2/77"};
  Endpoint bad_name = endpoint();
  bad_name.container_interface = "../eth0";
  for (const Endpoint& request : {without_bridge, bad_address, bad_name}) {
    EXPECT_THROW(create_endpoint(space.get(), request), Error);
    EXPECT_FALSE(link_exists("gveth0"));
    inside(space, [] { EXPECT_FALSE(link_exists("eth0")); });
  }
  EXPECT_THROW(create_endpoint(space.get(), endpoint(), {{AF_INET, "eth0", "10.1.2.3"}}), Error);
  EXPECT_FALSE(link_exists("gveth0"));
  inside(space, [] { EXPECT_FALSE(link_exists("eth0")); });
}

TEST_F(NetworkTest, FailedEndpointLeavesTheOtherOfItsNameAlone) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 0);
  const UniqueFd space = create_network_namespace(), other = create_network_namespace();
  create_endpoint(space.get(), endpoint());
  try {
    create_endpoint(other.get(), endpoint());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), EEXIST);
  }
  EXPECT_TRUE(link_exists("gveth0"));
  inside(space, [] { EXPECT_TRUE(link_exists("eth0")); });
}

TEST_F(NetworkTest, AFurtherInterfaceTakesTheDefaultRouteAndGivesItBack) {
  ensure_bridge("gtest0", {"10.99.0.1/24", "fd99::1/64"}, 0);
  ensure_bridge("gtest1", {"10.98.0.1/24"}, 0);
  const UniqueFd space = connected_namespace({endpoint()}, routes());
  Endpoint second = endpoint();
  second.parent = "gtest1";
  second.host_interface = "gveth1";
  second.container_interface = "eth1";
  second.mac_address = "";
  second.addresses = {"10.98.0.2/24"};
  connect_namespace(space.get(), {second}, {{AF_INET, "eth1", "10.98.0.1"}, {AF_INET6, "eth0", "fd99::1"}});
  const auto route = [&] {
    std::string text;
    inside(space, [&] { text = content("/proc/thread-self/net/route"); });
    return text;
  };
  EXPECT_NE(route().find("eth1\t00000000\t0100620A"), std::string::npos);
  EXPECT_EQ(route().find("eth0\t00000000"), std::string::npos);
  disconnect_namespace(space.get(), "eth1", routes());
  EXPECT_FALSE(link_exists("gveth1"));
  EXPECT_NE(route().find("eth0\t00000000\t0100630A"), std::string::npos);
  // What is not there need not be removed.
  disconnect_namespace(space.get(), "eth1", {});
  EXPECT_EQ(route().find("eth0\t00000000"), std::string::npos);
}

TEST_F(NetworkTest, IsolatedEndpointsReachTheHostAndNotEachOther) {
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  Endpoint one = endpoint(), two = endpoint();
  one.isolated = two.isolated = true;
  one.addresses = {"10.99.0.2/24"};
  two.addresses = {"10.99.0.3/24"};
  two.host_interface = "gveth1";
  two.mac_address = "02:42:0a:63:00:03";
  const UniqueFd first = connected_namespace({one}, {}), second = connected_namespace({two}, {});
  sockaddr_in host = {}, neighbour = {};
  host.sin_family = neighbour.sin_family = AF_INET;
  ::inet_pton(AF_INET, "10.99.0.1", &host.sin_addr);
  ::inet_pton(AF_INET, "10.99.0.3", &neighbour.sin_addr);
  const Listener<sockaddr_in> here(host, AF_INET);
  std::optional<Listener<sockaddr_in>> there;
  inside(second, [&] { there.emplace(neighbour, AF_INET); });
  inside(first, [&] {
    EXPECT_EQ(here.connect(AF_INET), 0);
    EXPECT_EQ(there->connect(AF_INET), ETIMEDOUT);
  });
}

TEST_F(NetworkTest, AMacvlanIsOnTheLinkOfItsParent) {
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  // The far end of a veth pair plays the machine on the other side of the cable.
  const UniqueFd far = connected_namespace({endpoint()}, {});
  Endpoint shared = endpoint();
  shared.kind = "macvlan";
  shared.parent = "eth0";
  shared.mac_address = "02:42:0a:63:00:09";
  shared.addresses = {"10.99.0.9/24"};
  sockaddr_in host = {};
  host.sin_family = AF_INET;
  ::inet_pton(AF_INET, "10.99.0.1", &host.sin_addr);
  const Listener<sockaddr_in> here(host, AF_INET);
  UniqueFd near;
  inside(far, [&] { near = connected_namespace({shared}, {{AF_INET, "eth0", "10.99.0.1"}}); });
  inside(near, [&] { EXPECT_EQ(here.connect(AF_INET), 0); });
  Endpoint wrong = shared;
  wrong.mode = "nonsense";
  EXPECT_THROW(connected_namespace({wrong}, {}), Error);
}

TEST(InterfaceStatsText, IsReadFieldByField) {
  const auto all = parse_interface_stats(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
      "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0\n"
      "  eth0:1638416106 2    3    4    5     6          7         8        9      10   11   12   13    14      15 "
      "16\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "eth0");
  EXPECT_EQ(all[0].rx.bytes, 1638416106u);
  EXPECT_EQ(all[0].rx.dropped, 4u);
  EXPECT_EQ(all[0].tx.bytes, 9u);
  EXPECT_EQ(all[0].tx.errors, 11u);
  EXPECT_EQ(all[0].tx.dropped, 12u);
}

}  // namespace
}  // namespace gantry
