#include "shim/dns_exchange.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>

#include "dns/relay.h"
#include "dns/reply.h"
#include "isolation/error.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

/// As long as Docker waits for each server.
constexpr auto kServerTimeout = 4s;
constexpr size_t kLengthSize = 2;
alignas(4096) char shared_chunk[64 * 1024];

uint16_t unguessable_id() {
  uint16_t id = 0;
  check(getrandom(&id, sizeof id, 0), "getrandom");
  return id;
}

}  // namespace

DnsExchange::DnsExchange(EventLoop& loop, const ContainerNetwork& network, std::shared_ptr<const DnsConfig> config,
                         const DnsClient& client, std::string_view query, Done done)
    : loop_(loop),
      network_(network),
      config_(std::move(config)),
      client_(client),
      message_(query),
      done_(std::move(done)) {
  dns::read_query(message_, query_);
}

DnsExchange::~DnsExchange() { hang_up(); }

void DnsExchange::hang_up() noexcept {
  loop_.cancel(std::exchange(timer_, 0));
  if (socket_) loop_.unwatch(socket_.get());
  socket_.reset();
  received_.clear();
}

void DnsExchange::try_next() {
  hang_up();
  while (next_ < config_->upstreams.size()) {
    if (connect_to(config_->upstreams[next_++])) return;
  }
  finish(dns::empty_reply(query_, dns::Rcode::kServerFailure));
}

bool DnsExchange::connect_to(const DnsUpstream& upstream) {
  const bool stream = client_.transport == dns::Transport::kTcp;
  try {
    const int family = upstream.address.any.sa_family;
    const int type = stream ? SOCK_STREAM : SOCK_DGRAM;
    socket_ = upstream.from_host ? ContainerNetwork::host_socket(family, type) : network_.socket(family, type);
    id_ = unguessable_id();
    dns::write16(message_.data(), id_);
    // A connected socket takes datagrams from nobody else.
    if (connect(socket_.get(), &upstream.address.any, upstream.size()) < 0 && errno != EINPROGRESS) return false;
    if (stream) {
      unsent_.resize(kLengthSize);
      dns::write16(unsent_.data(), static_cast<uint16_t>(message_.size()));
      unsent_ += message_;
    } else if (send(socket_.get(), message_.data(), message_.size(), MSG_NOSIGNAL) < 0) {
      return false;
    }
    loop_.watch(socket_.get(), stream ? EPOLLOUT : EPOLLIN, *this);
  } catch (const Error&) {
    // Too many descriptors, or no such network any more: as if the server did not answer.
    socket_.reset();
    return false;
  }
  timer_ = loop_.after(kServerTimeout, [this] { try_next(); });
  return true;
}

void DnsExchange::on_ready(uint32_t) {
  if (client_.transport == dns::Transport::kUdp) return receive_datagram();
  if (!unsent_.empty()) return send_rest();
  receive_stream();
}

void DnsExchange::receive_datagram() {
  ssize_t length = recv(socket_.get(), shared_chunk, sizeof shared_chunk, 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // An ICMP message has come: nobody serves there.
  if (length < 0) return try_next();
  std::string_view reply(shared_chunk, static_cast<size_t>(length));
  // What does not answer the question was sent by somebody else; the right answer may still come.
  if (dns::answers(reply, id_, query_.question)) consider(reply);
}

void DnsExchange::send_rest() {
  ssize_t sent = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (sent < 0) return try_next();
  unsent_.erase(0, static_cast<size_t>(sent));
  if (unsent_.empty()) loop_.change(socket_.get(), EPOLLIN, *this);
}

void DnsExchange::receive_stream() {
  ssize_t length = recv(socket_.get(), shared_chunk, sizeof shared_chunk, 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) return try_next();
  received_.append(shared_chunk, static_cast<size_t>(length));
  if (received_.size() < kLengthSize) return;
  const size_t size = dns::read16(received_.data());
  if (received_.size() < kLengthSize + size) return;
  std::string_view reply(received_.data() + kLengthSize, size);
  if (!dns::answers(reply, id_, query_.question)) return try_next();
  consider(reply);
}

void DnsExchange::consider(std::string_view reply) {
  const dns::Rcode code = dns::reply_code(reply);
  if (code == dns::Rcode::kServerFailure || code == dns::Rcode::kRefused) return try_next();
  const bool fits = client_.transport == dns::Transport::kTcp || reply.size() <= query_.udp_size;
  std::string message = fits ? std::string(reply) : dns::truncated_reply(query_);
  dns::write16(message.data(), query_.id);
  finish(std::move(message));
}

void DnsExchange::finish(std::string reply) {
  hang_up();
  done_(*this, std::move(reply));
}

void DnsExchange::release_memory() noexcept { madvise(shared_chunk, sizeof shared_chunk, MADV_DONTNEED); }

}  // namespace gantry::shim
