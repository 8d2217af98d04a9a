#include "network/published_port.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "network/network_fixture.h"

namespace gantry {
namespace {

int refusal(const std::string& protocol, const std::string& address, uint16_t port) {
  try {
    bind_port(protocol, address, port);
  } catch (const Error& error) {
    return error.error();
  }
  return 0;
}

TEST_F(NetworkTest, AHeldPortIsNobodyElses) {
  for (const std::string protocol : {"tcp", "udp"}) {
    const BoundPort held = bind_port(protocol, "0.0.0.0", 0);
    EXPECT_NE(held.port, 0);
    EXPECT_EQ(refusal(protocol, "0.0.0.0", held.port), EADDRINUSE);
    EXPECT_EQ(refusal(protocol, "127.0.0.1", held.port), EADDRINUSE);
    EXPECT_EQ(refusal(protocol, "::", held.port), 0) << "the families are apart";
  }
}

TEST_F(NetworkTest, APortIsFreeAgainWhenItsSocketIsClosed) {
  BoundPort held = bind_port("tcp", "127.0.0.1", 0);
  const uint16_t port = held.port;
  held.socket.reset();
  EXPECT_EQ(refusal("tcp", "127.0.0.1", port), 0);
}

TEST_F(NetworkTest, APortOnAnAddressThatIsNotHereIsRefused) {
  // A namespace without any address takes every one for its own.
  ensure_bridge("gtest0", {"10.99.0.1/24"}, 0);
  EXPECT_EQ(refusal("tcp", "192.0.2.1", 80), EADDRNOTAVAIL);
  EXPECT_EQ(refusal("tcp", "nowhere", 80), EINVAL);
}

TEST_F(NetworkTest, SctpHasASocketOrNobodyHas) {
  const BoundPort held = bind_port("sctp", "0.0.0.0", 7000);
  EXPECT_EQ(held.port, 7000);
  if (!held.socket) {
    EXPECT_LT(::socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), 0);
  }
}

}  // namespace
}  // namespace gantry
