#include "network/address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "isolation/error.h"

namespace gantry {
namespace {

TEST(Address, ReadsBothFamilies) {
  const NetworkAddress v4 = parse_address("172.18.0.2/16");
  EXPECT_EQ(v4.family, AF_INET);
  EXPECT_EQ(v4.prefix, 16);
  EXPECT_EQ(v4.bytes[0], 172);
  EXPECT_EQ(v4.bytes[3], 2);
  const NetworkAddress v6 = parse_address("fd00::2");
  EXPECT_EQ(v6.family, AF_INET6);
  EXPECT_EQ(v6.prefix, 128);
  EXPECT_EQ(v6.bytes[15], 2);
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text : {"", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/8x", "fd00::/129", "fd00::1/-1", "eth0"})
    EXPECT_THROW(parse_address(text), Error) << text;
}

TEST(MacAddress, ReadsSixBytes) {
  const auto mac = parse_mac_address("02:42:ac:12:00:ff");
  EXPECT_EQ(mac[0], 2);
  EXPECT_EQ(mac[5], 255);
  for (const char* text : {"", "02:42:ac:12:00", "02:42:ac:12:00:ff:00", "02:42:ac:12:00:fg", "02-42-ac-12-00-ff"})
    EXPECT_THROW(parse_mac_address(text), Error) << text;
}

TEST(InterfaceName, IsSafeInAPath) {
  EXPECT_NO_THROW(require_interface_name("br-0123456789ab"));
  for (const char* text : {"", ".", "..", "a/b", "a b", "a:b", "0123456789abcdef"})
    EXPECT_THROW(require_interface_name(text), Error) << text;
}

}  // namespace
}  // namespace gantry
