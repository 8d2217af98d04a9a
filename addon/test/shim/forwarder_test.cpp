#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "isolation/error.h"
#include "shim/tcp_forwarder.h"
#include "shim/udp_forwarder.h"

namespace gantry::shim {
namespace {

uint16_t port_of(const UniqueFd& socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  check(getsockname(socket.get(), address.get(), &address.size), "getsockname");
  return ntohs(reinterpret_cast<sockaddr_in&>(address.storage).sin_port);  // at the same place in an IPv6 address
}

UniqueFd bound(int type, const std::string& address) {
  const SocketAddress at = socket_address(address, 0);
  UniqueFd result(check(socket(at.family(), type | SOCK_CLOEXEC, 0), "socket"));
  const int on = 1;
  if (type == SOCK_DGRAM && at.family() == AF_INET) setsockopt(result.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  if (type == SOCK_DGRAM && at.family() == AF_INET6)
    setsockopt(result.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  check(bind(result.get(), at.get(), at.size), "bind");
  if (type == SOCK_STREAM) check(listen(result.get(), 16), "listen");
  return result;
}

UniqueFd connected(int type, const std::string& address, uint16_t port) {
  const SocketAddress to = socket_address(address, port);
  UniqueFd result(check(socket(to.family(), type | SOCK_CLOEXEC, 0), "socket"));
  const timeval patience{5, 0};
  setsockopt(result.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  check(connect(result.get(), to.get(), to.size), "connect");
  return result;
}

/// Makes a socket that a forwarder may have: nothing it does on it blocks.
UniqueFd duplicate_nonblocking(const UniqueFd& socket) {
  UniqueFd result(check(fcntl(socket.get(), F_DUPFD_CLOEXEC, 3), "dup"));
  check(fcntl(result.get(), F_SETFL, O_RDWR | O_NONBLOCK), "fcntl");
  return result;
}

std::string read_to_end(const UniqueFd& socket) {
  std::string result;
  char chunk[65536];
  for (ssize_t got; (got = recv(socket.get(), chunk, sizeof chunk, 0)) > 0;)
    result.append(chunk, static_cast<size_t>(got));
  return result;
}

/// A loop on a thread of its own; what it works on is made and destroyed there.
template <typename Forwarder>
class Running {
 public:
  template <typename... Arguments>
  explicit Running(std::optional<SocketAddress> target, UniqueFd socket, Arguments... arguments) {
    thread_ = std::thread([this, target, fd = socket.release(), arguments...] {
      EventLoop loop;
      Forwarder forwarder(loop, UniqueFd(fd), arguments...);
      forwarder.set_target(target);
      struct Ticker {
        EventLoop& loop;
        Running& owner;
        void tick() {
          if (owner.ended_) return loop.stop();
          loop.after(std::chrono::milliseconds(5), [this] { tick(); });
        }
      } ticker{loop, *this};
      ticker.tick();
      loop.run();
    });
  }
  ~Running() {
    ended_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

TEST(TcpForwarder, CarriesBothWaysAndEachEndByItself) {
  const UniqueFd listener = bound(SOCK_STREAM, "127.0.0.1"), server = bound(SOCK_STREAM, "127.0.0.1");
  const Running<TcpForwarder> running(socket_address("127.0.0.1", port_of(server)), duplicate_nonblocking(listener),
                                      false);
  const UniqueFd client = connected(SOCK_STREAM, "127.0.0.1", port_of(listener));
  const UniqueFd accepted(check(accept(server.get(), nullptr, nullptr), "accept"));
  ASSERT_EQ(send(client.get(), "question", 8, 0), 8);
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(read_to_end(accepted), "question");
  // The other way is still open.
  ASSERT_EQ(send(accepted.get(), "answer", 6, 0), 6);
  shutdown(accepted.get(), SHUT_WR);
  EXPECT_EQ(read_to_end(client), "answer");
}

TEST(TcpForwarder, LosesNothingToAReaderThatIsSlow) {
  const UniqueFd listener = bound(SOCK_STREAM, "::1"), server = bound(SOCK_STREAM, "127.0.0.1");
  const Running<TcpForwarder> running(socket_address("127.0.0.1", port_of(server)), duplicate_nonblocking(listener),
                                      false);
  const UniqueFd client = connected(SOCK_STREAM, "::1", port_of(listener));
  const UniqueFd accepted(check(accept(server.get(), nullptr, nullptr), "accept"));
  std::string sent(32 * 1024 * 1024, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 4099);
  std::thread sender([&] {
    for (size_t done = 0; done < sent.size();)
      done += static_cast<size_t>(check(send(accepted.get(), sent.data() + done, sent.size() - done, 0), "send"));
    shutdown(accepted.get(), SHUT_WR);
  });
  usleep(100'000);
  EXPECT_TRUE(read_to_end(client) == sent);
  sender.join();
}

TEST(TcpForwarder, TurnsClientsAwayWhereNobodyListens) {
  const UniqueFd listener = bound(SOCK_STREAM, "127.0.0.1");
  const uint16_t nobody = port_of(bound(SOCK_STREAM, "127.0.0.1"));
  for (const std::optional<SocketAddress>& target :
       {std::optional<SocketAddress>(), std::optional<SocketAddress>(socket_address("127.0.0.1", nobody))}) {
    const Running<TcpForwarder> running(target, duplicate_nonblocking(listener), false);
    const UniqueFd client = connected(SOCK_STREAM, "127.0.0.1", port_of(listener));
    EXPECT_EQ(read_to_end(client), "");
  }
}

TEST(UdpForwarder, AnswersFromTheAddressThatWasAsked) {
  const UniqueFd port = bound(SOCK_DGRAM, "0.0.0.0"), server = bound(SOCK_DGRAM, "127.0.0.1");
  const Running<UdpForwarder> running(socket_address("127.0.0.1", port_of(server)), duplicate_nonblocking(port));
  for (const std::string asked : {"127.0.0.1", "127.1.2.3"}) {
    // A connected socket takes nothing from others.
    const UniqueFd client = connected(SOCK_DGRAM, asked, port_of(port));
    ASSERT_EQ(send(client.get(), "ping", 4, 0), 4);
    char text[16] = {};
    SocketAddress from;
    from.size = sizeof from.storage;
    ASSERT_EQ(recvfrom(server.get(), text, sizeof text, 0, from.get(), &from.size), 4);
    ASSERT_EQ(sendto(server.get(), "pong", 4, 0, from.get(), from.size), 4);
    EXPECT_EQ(recv(client.get(), text, sizeof text, 0), 4) << asked;
  }
}

TEST(UdpForwarder, GivesEachPeerASocketOfItsOwn) {
  const UniqueFd port = bound(SOCK_DGRAM, "::1"), server = bound(SOCK_DGRAM, "127.0.0.1");
  const Running<UdpForwarder> running(socket_address("127.0.0.1", port_of(server)), duplicate_nonblocking(port));
  const UniqueFd one = connected(SOCK_DGRAM, "::1", port_of(port)), two = connected(SOCK_DGRAM, "::1", port_of(port));
  uint16_t ports[2] = {};
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(send((i == 0 ? one : two).get(), "x", 1, 0), 1);
    char byte;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ASSERT_EQ(recvfrom(server.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size), 1);
    ports[i] = from.sin_port;
  }
  EXPECT_NE(ports[0], ports[1]);
}

}  // namespace
}  // namespace gantry::shim
