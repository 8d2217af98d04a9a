#include "shim/udp_forwarder.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "isolation/error.h"
#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr size_t kLargest = 65'536;
constexpr int kTurn = 64;
constexpr size_t kMostSessions = 1024;
/// How long a peer's socket is kept after the last datagram.
constexpr auto kIdle = 90s;
constexpr auto kSweep = 30s;

/// The control message that names a local address: received with a datagram, and sent back with the answer.
struct LocalAddress {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
  size_t size = 0;
};

/// Keeps only what chooses the source: the address, not the interface, which may be another one on the way back.
std::string local_of(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(each), sizeof info);
      return std::string(reinterpret_cast<const char*>(&info.ipi_addr), sizeof info.ipi_addr);
    }
    if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(each), sizeof info);
      return std::string(reinterpret_cast<const char*>(&info.ipi6_addr), sizeof info.ipi6_addr);
    }
  }
  return "";
}

LocalAddress as_control(const std::string& local) {
  LocalAddress result;
  auto* header = reinterpret_cast<cmsghdr*>(result.control);
  const auto put = [&](int level, int type, const void* info, size_t size) {
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), info, size);
    result.size = CMSG_SPACE(size);
  };
  if (local.size() == sizeof(in_addr)) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.data(), local.size());
    put(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else if (local.size() == sizeof(in6_addr)) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.data(), local.size());
    put(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
  return result;
}

}  // namespace

/// What one peer says to one address of the host.
class UdpSession final : public EventHandler {
 public:
  UdpSession(UdpForwarder& owner, SocketAddress peer, std::string local)
      : owner_(owner), peer_(peer), local_(std::move(local)) {
    socket_.reset(
        check(socket(owner.target_->family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a socket"));
    check(connect(socket_.get(), owner.target_->get(), owner.target_->size), "connect a socket");
    owner_.loop_.watch(socket_.get(), EPOLLIN, *this);
  }
  ~UdpSession() { owner_.loop_.unwatch(socket_.get()); }

  /// A datagram that cannot be sent is lost, as datagrams may be.
  void send(const char* data, size_t size) {
    used = Clock::now();
    ::send(socket_.get(), data, size, 0);
  }

  void on_ready(uint32_t) override {
    std::vector<char> data(kLargest);
    for (int turn = 0; turn < kTurn; ++turn) {
      const ssize_t got = recv(socket_.get(), data.data(), data.size(), 0);
      if (got < 0) {
        // A refusal is told once, and the next datagram may be taken.
        if (errno == ECONNREFUSED || errno == EINTR) continue;
        return;
      }
      used = Clock::now();
      answer(data.data(), static_cast<size_t>(got));
    }
  }

  Clock::time_point used = Clock::now();

 private:
  void answer(const char* data, size_t size) {
    LocalAddress local = as_control(local_);
    iovec piece{const_cast<char*>(data), size};
    msghdr message{};
    message.msg_name = peer_.get();
    message.msg_namelen = peer_.size;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (local.size > 0) {
      message.msg_control = local.control;
      message.msg_controllen = local.size;
    }
    sendmsg(owner_.socket_.get(), &message, 0);
  }

  UdpForwarder& owner_;
  SocketAddress peer_;
  std::string local_;
  UniqueFd socket_;
};

UdpForwarder::UdpForwarder(EventLoop& loop, UniqueFd socket) : loop_(loop), socket_(std::move(socket)) {
  if (socket_) loop_.watch(socket_.get(), EPOLLIN, *this);
}

UdpForwarder::~UdpForwarder() {
  if (sweep_ != 0) loop_.cancel(sweep_);
  if (socket_) loop_.unwatch(socket_.get());
}

void UdpForwarder::set_target(std::optional<SocketAddress> target) {
  target_ = target;
  sessions_.clear();
}

void UdpForwarder::on_ready(uint32_t) {
  std::vector<char> data(kLargest);
  for (int turn = 0; turn < kTurn; ++turn) {
    SocketAddress peer;
    LocalAddress local;
    iovec piece{data.data(), data.size()};
    msghdr message{};
    message.msg_name = peer.get();
    message.msg_namelen = sizeof peer.storage;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = local.control;
    message.msg_controllen = sizeof local.control;
    const ssize_t got = recvmsg(socket_.get(), &message, 0);
    if (got < 0) return;
    peer.size = message.msg_namelen;
    if (UdpSession* session = session_for(peer, local_of(message)))
      session->send(data.data(), static_cast<size_t>(got));
  }
}

UdpSession* UdpForwarder::session_for(const SocketAddress& peer, const std::string& local) {
  if (!target_) return nullptr;
  const std::string key = std::string(reinterpret_cast<const char*>(&peer.storage), peer.size) + local;
  if (const auto found = sessions_.find(key); found != sessions_.end()) return found->second.get();
  if (sessions_.size() >= kMostSessions) {
    sessions_.erase(std::min_element(sessions_.begin(), sessions_.end(),
                                     [](auto& a, auto& b) { return a.second->used < b.second->used; }));
  }
  try {
    auto session = std::make_unique<UdpSession>(*this, peer, local);
    if (sweep_ == 0) sweep_ = loop_.after(kSweep, [this] { forget_idle(); });
    return (sessions_[key] = std::move(session)).get();
  } catch (const Error& error) {
    diagnose("%s", error.what());
    return nullptr;
  }
}

void UdpForwarder::forget_idle() {
  const auto oldest = Clock::now() - kIdle;
  for (auto each = sessions_.begin(); each != sessions_.end();)
    each = each->second->used < oldest ? sessions_.erase(each) : std::next(each);
  sweep_ = sessions_.empty() ? 0 : loop_.after(kSweep, [this] { forget_idle(); });
}

}  // namespace gantry::shim
