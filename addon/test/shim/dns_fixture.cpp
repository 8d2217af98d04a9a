#include "shim/dns_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>
#include <thread>

#include "isolation/error.h"

namespace gantry::test {
namespace {

constexpr int kPatienceMilliseconds = 5000;

void bring_loopback_up() {
  UniqueFd control(check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(ioctl(control.get(), SIOCSIFFLAGS, &request), "lo up");
}

UniqueFd this_network() {
  return UniqueFd(check(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open ns/net"));
}

void on_thread(const std::function<void()>& body) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      body();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

sockaddr_in port53(const std::string& address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(53);
  inet_pton(AF_INET, address.c_str(), &result.sin_addr);
  return result;
}

DnsSocket bound(const std::string& address, int type) {
  UniqueFd socket(check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in own = port53(address);
  check(bind(socket.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), "bind " + address);
  if (type == SOCK_STREAM) check(listen(socket.get(), 16), "listen");
  return DnsSocket(std::move(socket));
}

void await_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  if (poll(&entry, 1, kPatienceMilliseconds) <= 0) throw std::runtime_error("nothing came");
}

}  // namespace

void DnsSocket::send(const std::string& bytes) const {
  check(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), "send");
}

std::string DnsSocket::receive() const {
  sockaddr_in ignored;
  return receive_from(ignored);
}

std::string DnsSocket::receive_from(sockaddr_in& sender) const {
  await_readable(fd());
  char buffer[65536];
  socklen_t size = sizeof sender;
  ssize_t length =
      check(recvfrom(fd(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&sender), &size), "recvfrom");
  return {buffer, static_cast<size_t>(length)};
}

void DnsSocket::send_to(const sockaddr_in& receiver, const std::string& bytes) const {
  check(sendto(fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&receiver), sizeof receiver),
        "sendto");
}

DnsSocket DnsSocket::accept() const {
  await_readable(fd());
  return DnsSocket(UniqueFd(check(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC), "accept")));
}

void DnsSocket::send_message(const std::string& message) const {
  send(wire16(static_cast<uint16_t>(message.size())) + message);
}

std::string DnsSocket::read(size_t count) const {
  std::string bytes(count, '\0');
  for (size_t done = 0; done < count;) {
    await_readable(fd());
    ssize_t length = check(recv(fd(), bytes.data() + done, count - done, 0), "recv");
    if (length == 0) throw std::runtime_error("the connection has ended");
    done += static_cast<size_t>(length);
  }
  return bytes;
}

std::string DnsSocket::receive_message() const {
  const std::string length = read(2);
  return read(static_cast<size_t>(static_cast<uint8_t>(length[0])) << 8 | static_cast<uint8_t>(length[1]));
}

bool DnsSocket::at_end() const {
  await_readable(fd());
  char byte;
  return recv(fd(), &byte, 1, 0) <= 0;
}

void DnsSocket::end_input() const { shutdown(fd(), SHUT_WR); }

bool DnsSocket::silent_for(int milliseconds) const {
  pollfd entry{fd(), POLLIN, 0};
  return poll(&entry, 1, milliseconds) == 0;
}

void DnsTest::SetUp() {
  home_ = this_network();
  check(unshare(CLONE_NEWNET), "leave the host's network");
  bring_loopback_up();
  on_thread([&] {
    check(unshare(CLONE_NEWNET), "make the container's network");
    bring_loopback_up();
    container_ = this_network();
  });
  bundle_.run_script("sleep 1000");
  publish("web 172.18.0.2\n");
  configure({});
}

void DnsTest::TearDown() {
  shim_.reset();
  setns(home_.get(), CLONE_NEWNET);
}

void DnsTest::inside(const std::function<void()>& body) const {
  on_thread([&] {
    check(setns(container_.get(), CLONE_NEWNET), "enter the container's network");
    body();
  });
}

DnsSocket DnsTest::client(int type, const std::string& server) const {
  UniqueFd socket;
  inside([&] { socket.reset(check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket")); });
  sockaddr_in address = port53(server);
  check(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
  return DnsSocket(std::move(socket));
}

DnsSocket DnsTest::server(const std::string& address, int type) const { return bound(address, type); }

DnsSocket DnsTest::server_inside(const std::string& address, int type) const {
  std::unique_ptr<DnsSocket> socket;
  inside([&] { socket = std::make_unique<DnsSocket>(bound(address, type)); });
  return std::move(*socket);
}

void DnsTest::publish(const std::string& lines) {
  write_text(bundle_.path("net.names.new"), "network net\n" + lines);
  rename(bundle_.path("net.names.new").c_str(), bundle_.path("net.names").c_str());
}

void DnsTest::configure(const nlohmann::json& members) {
  nlohmann::json config{{"networks", {bundle_.path("net.names")}}};
  config.update(members.is_null() ? nlohmann::json::object() : members);
  write_text(bundle_.path("dns.json.new"), config.dump());
  rename(bundle_.path("dns.json.new").c_str(), bundle_.path("dns.json").c_str());
}

void DnsTest::start() {
  shim_ = std::make_unique<ShimProcess>(bundle_, container_.get());
  nlohmann::json answer = shim_->control.request({{"type", "run"}});
  ASSERT_TRUE(answer.contains("ok")) << answer;
}

void DnsTest::start_without_raw_sockets() {
  // What a thread gives up, its children have lost, and this process keeps.
  on_thread([&] {
    check(prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0), "prctl");
    start();
  });
}

ReplyMessage DnsTest::ask(const QueryMessage& query) const {
  DnsSocket socket = client();
  socket.send(query.bytes());
  return ReplyMessage(socket.receive());
}

}  // namespace gantry::test
