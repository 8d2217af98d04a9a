#include "shim/dns_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxQuerySize = 4096;
/// The container's output must not wait for ever behind its questions.
constexpr int kDatagramsAtOnce = 32;
constexpr size_t kMaxConnections = 64;
constexpr auto kAcceptRetryDelay = 1s;

}  // namespace

DnsServer::DnsServer(EventLoop& loop, int network_namespace)
    : loop_(loop),
      network_(network_namespace),
      tables_(network_),
      forwarder_(loop, network_, [this](const DnsClient& client, std::string_view message) { reply(client, message); }),
      random_(std::random_device()()),
      sockets_(network_),
      on_datagrams_([this] { receive_datagrams(); }),
      on_connections_([this] { accept_connection(); }) {
  loop_.watch(sockets_.datagrams(), EPOLLIN, on_datagrams_);
  loop_.watch(sockets_.listener(), EPOLLIN, on_connections_);
}

DnsServer::~DnsServer() {
  loop_.cancel(retry_);
  loop_.unwatch(sockets_.datagrams());
  loop_.unwatch(sockets_.listener());
}

void DnsServer::receive_datagrams() {
  char message[kMaxQuerySize];
  for (int count = 0; count < kDatagramsAtOnce; ++count) {
    DnsClient client;
    socklen_t size = sizeof client.address;
    ssize_t length = recvfrom(sockets_.datagrams(), message, sizeof message, MSG_TRUNC,
                              reinterpret_cast<sockaddr*>(&client.address), &size);
    if (length < 0) return;
    if (static_cast<size_t>(length) > sizeof message) continue;
    on_query(client, {message, static_cast<size_t>(length)});
  }
}

void DnsServer::on_query(const DnsClient& client, std::string_view message) {
  // For every question: what was written before it was asked must be in its answer.
  tables_.refresh();
  const auto& config = tables_.config();
  dns::Query query;
  dns::Answer answer = dns::answer(message, query, tables_.names(), {config->search_first}, client.transport, random_);
  if (answer.action == dns::Answer::Action::kForward) return forwarder_.forward(client, message, query, config);
  reply(client, answer.message);
}

void DnsServer::reply(const DnsClient& client, std::string_view message) {
  if (client.transport == dns::Transport::kUdp) {
    if (!message.empty()) sockets_.reply(client.address, message);
    return;
  }
  for (size_t index = 0; index < connections_.size(); ++index) {
    if (connections_[index]->number() == client.connection) return connections_[index]->reply(message);
  }
}

void DnsServer::accept_connection() {
  UniqueFd socket(accept4(sockets_.listener(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) {
    if (make_room()) add_connection(std::move(socket));
    return;
  }
  if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
  diagnose("accept a DNS client: %s", strerrordesc_np(errno));
  loop_.unwatch(sockets_.listener());
  retry_ = loop_.after(kAcceptRetryDelay, [this] { loop_.watch(sockets_.listener(), EPOLLIN, on_connections_); });
}

void DnsServer::add_connection(UniqueFd socket) {
  connections_.push_back(std::make_unique<DnsConnection>(loop_, std::move(socket), next_number_++, *this,
                                                         [this](DnsConnection& gone) { remove_connection(gone); }));
}

/// A client that is owed nothing, the oldest, makes way for a new one.
bool DnsServer::make_room() {
  if (connections_.size() < kMaxConnections) return true;
  auto idle = std::find_if(connections_.begin(), connections_.end(), [](auto& each) { return each->idle(); });
  if (idle == connections_.end()) return false;
  (*idle)->close();
  return true;
}

void DnsServer::remove_connection(DnsConnection& connection) {
  auto entry = std::find_if(connections_.begin(), connections_.end(),
                            [&](const auto& each) { return each.get() == &connection; });
  if (entry == connections_.end()) return;
  // It is still at work.
  std::shared_ptr<DnsConnection> gone = std::move(*entry);
  connections_.erase(entry);
  loop_.defer([gone]() mutable { gone.reset(); });
}

}  // namespace gantry::shim
