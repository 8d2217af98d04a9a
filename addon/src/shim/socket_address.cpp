#include "shim/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "isolation/error.h"

namespace gantry::shim {

SocketAddress socket_address(const std::string& address, uint16_t port) {
  SocketAddress result;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    result.size = sizeof v4;
  } else if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    result.size = sizeof v6;
  } else {
    throw Error("parse address \"" + address + "\"", EINVAL);
  }
  return result;
}

}  // namespace gantry::shim
