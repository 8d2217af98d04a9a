#pragma once

#include <cstdint>
#include <string>

#include "isolation/unique_fd.h"

namespace gantry {

/// A port of the host that is held for a container.
struct BoundPort {
  /// Empty where the kernel has no sockets of this protocol (SCTP): there is nothing that could take the port either.
  UniqueFd socket;
  uint16_t port = 0;
};

/// Binds a socket to a port of the host and, for streams, listens on it: from then on nobody else gets the port.
/// @param protocol "tcp", "udp" or "sctp"
/// @param address IPv4 or IPv6, without a prefix; an IPv6 socket is for IPv6 alone
/// @param port 0 for any that is free
/// @throws Error EADDRINUSE when somebody has it, EAFNOSUPPORT without IPv6
BoundPort bind_port(const std::string& protocol, const std::string& address, uint16_t port);

}  // namespace gantry
