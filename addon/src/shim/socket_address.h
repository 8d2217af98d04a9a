#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace gantry::shim {

/// An IPv4 or IPv6 address with its port.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const noexcept { return storage.ss_family; }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// @throws Error
SocketAddress socket_address(const std::string& address, uint16_t port);

}  // namespace gantry::shim
