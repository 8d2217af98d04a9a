#include "network/published_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "isolation/error.h"
#include "network/address.h"

namespace gantry {
namespace {

int socket_of(const std::string& protocol, int family) {
  const int type = protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const int number = protocol == "sctp" ? IPPROTO_SCTP : 0;
  return ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, number);
}

void set_option(const UniqueFd& socket, int level, int option) {
  const int on = 1;
  check(::setsockopt(socket.get(), level, option, &on, sizeof on), "set a socket option");
}

socklen_t fill(sockaddr_storage& storage, const NetworkAddress& address, uint16_t port) {
  if (address.family == AF_INET) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof v4.sin_addr);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof v6.sin6_addr);
  return sizeof v6;
}

uint16_t port_of(const UniqueFd& socket) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size), "look at a socket's address");
  return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(storage).sin_port
                                            : reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
}

}  // namespace

BoundPort bind_port(const std::string& protocol, const std::string& address, uint16_t port) {
  const std::string operation = "bind " + protocol + " port " + std::to_string(port) + " of " + address;
  const NetworkAddress host = parse_address(address);
  BoundPort result;
  result.socket.reset(socket_of(protocol, host.family));
  if (!result.socket && protocol == "sctp" && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
    result.port = port;
    return result;
  }
  check(result.socket.get(), operation);
  if (host.family == AF_INET6) set_option(result.socket, IPPROTO_IPV6, IPV6_V6ONLY);
  if (protocol == "udp") {
    // Answers have to come from the address that was asked.
    if (host.family == AF_INET)
      set_option(result.socket, IPPROTO_IP, IP_PKTINFO);
    else
      set_option(result.socket, IPPROTO_IPV6, IPV6_RECVPKTINFO);
  } else {
    // Connections that have ended do not keep the next container from the port; one that listens does.
    set_option(result.socket, SOL_SOCKET, SO_REUSEADDR);
  }
  sockaddr_storage storage = {};
  const socklen_t size = fill(storage, host, port);
  check(::bind(result.socket.get(), reinterpret_cast<sockaddr*>(&storage), size), operation);
  if (protocol != "udp") check(::listen(result.socket.get(), SOMAXCONN), operation);
  result.port = port_of(result.socket);
  return result;
}

}  // namespace gantry
