#include "shim/dns_sockets.h"

#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "dns/protocol.h"
#include "isolation/error.h"
#include "shim/diagnostics.h"
#include "shim/socket_steering.h"

namespace gantry::shim {
namespace {

constexpr in_addr_t kAddress = 0x7f00000b;
constexpr int kBacklog = 64;

sockaddr_in own_address(in_port_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(kAddress);
  return address;
}

void bind_socket(const UniqueFd& socket, in_port_t port) {
  const sockaddr_in address = own_address(port);
  check(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind 127.0.0.11");
}

/// The headers of a datagram. The kernel fills in length, id and checksum of the first; without a checksum the second
/// is valid, and nothing can damage it on the way through a loopback interface.
struct DatagramHead {
  iphdr ip{};
  udphdr udp{};
};

DatagramHead head_to(const sockaddr_in& client, size_t size) noexcept {
  DatagramHead head;
  head.ip.version = 4;
  head.ip.ihl = sizeof head.ip / 4;
  head.ip.ttl = 64;
  head.ip.protocol = IPPROTO_UDP;
  head.ip.saddr = htonl(kAddress);
  head.ip.daddr = client.sin_addr.s_addr;
  head.udp.source = htons(dns::kPort);
  head.udp.dest = client.sin_port;
  head.udp.len = htons(static_cast<uint16_t>(sizeof head.udp + size));
  return head;
}

}  // namespace

DnsSockets::DnsSockets(const ContainerNetwork& network) {
  try {
    bind_to(network, 0);
    steer(network);
  } catch (const Error& error) {
    diagnose("port 53 of the container is taken for its DNS server: %s", error.what());
    raw_.reset();
    bind_to(network, dns::kPort);
  }
}

void DnsSockets::bind_to(const ContainerNetwork& network, in_port_t port) {
  datagrams_ = network.socket(AF_INET, SOCK_DGRAM);
  listener_ = network.socket(AF_INET, SOCK_STREAM);
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_socket(datagrams_, port);
  bind_socket(listener_, port);
  check(listen(listener_.get(), kBacklog), "listen on 127.0.0.11");
}

void DnsSockets::steer(const ContainerNetwork& network) {
  raw_ = network.socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  // Bound, so that the kernel sends nothing from a loopback address to other machines.
  bind_socket(raw_, 0);
  steering_ = steer_port(network.descriptor(), own_address(dns::kPort), listener_.get(), datagrams_.get());
}

void DnsSockets::reply(const sockaddr_in& client, std::string_view message) const noexcept {
  DatagramHead head = head_to(client, message.size());
  iovec parts[] = {{&head, sizeof head}, {const_cast<char*>(message.data()), message.size()}};
  sockaddr_in receiver = client;
  msghdr datagram{};
  datagram.msg_name = &receiver;
  datagram.msg_namelen = sizeof receiver;
  datagram.msg_iov = raw_ ? parts : parts + 1;
  datagram.msg_iovlen = raw_ ? 2 : 1;
  sendmsg(raw_ ? raw_.get() : datagrams_.get(), &datagram, MSG_NOSIGNAL);
}

}  // namespace gantry::shim
