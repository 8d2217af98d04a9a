#pragma once

#include <netinet/in.h>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// Has the kernel give a namespace's IPv4 traffic for one address and port to two given sockets, whatever they are
/// bound to (BPF sk_lookup, Linux 5.9), for as long as the result is open. Nothing is bound to the port: it stays free.
/// @param network_namespace a descriptor of the sockets' namespace. @throws Error
UniqueFd steer_port(int network_namespace, const sockaddr_in& address, int listener, int datagrams);

}  // namespace gantry::shim
