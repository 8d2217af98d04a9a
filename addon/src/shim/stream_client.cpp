#include "shim/stream_client.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace gantry::shim {
namespace {

constexpr size_t kHeaderSize = 8;

/// Docker's frame header: stream, three zeros, the length in big endian.
void write_header(Stream stream, size_t length, char (&header)[kHeaderSize]) noexcept {
  header[0] = static_cast<char>(stream);
  header[1] = header[2] = header[3] = 0;
  for (int byte = 0; byte < 4; ++byte) header[4 + byte] = static_cast<char>(length >> (24 - 8 * byte) & 0xff);
}

}  // namespace

StreamClient::StreamClient(EventLoop& loop, MessageConnection::Remains remains, StreamSelection selection,
                           bool multiplexed, StreamClientOwner& owner)
    : loop_(loop),
      socket_(std::move(remains.socket)),
      selection_(selection),
      multiplexed_(multiplexed),
      owner_(owner),
      early_input_(std::move(remains.input)),
      kept_(std::move(remains.output)) {
  loop_.watch(socket_.get(), EPOLLIN | (kept_.empty() ? 0U : EPOLLOUT), *this);
}

StreamClient::~StreamClient() {
  if (socket_) loop_.unwatch(socket_.get());
}

void StreamClient::begin() {
  if (!early_input_.empty()) owner_.on_client_input(*this, early_input_.data(), early_input_.size());
  std::string().swap(early_input_);
}

void StreamClient::on_ready(uint32_t events) {
  if (events & EPOLLOUT) flush();
  if (!socket_) return;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    // Both directions are shut: with its input held back or ended there is nothing more to expect from it.
    if ((events & (EPOLLHUP | EPOLLERR)) && (input_paused_ || input_ended_)) return close();
    if (!input_paused_ && !input_ended_) receive();
  }
}

void StreamClient::receive() {
  char chunk[16384];
  ssize_t length = recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length < 0) return close();
  if (length == 0) return end_input();
  owner_.on_client_input(*this, chunk, static_cast<size_t>(length));
}

void StreamClient::end_input() {
  input_ended_ = true;
  owner_.on_client_input_end(*this);
  if (!socket_) return;
  if (output_broken_) return close();
  update_interest();
}

void StreamClient::send(Stream stream, const char* data, size_t length) {
  if (!socket_ || finishing_ || output_broken_ || !takes(stream)) return;
  char header[kHeaderSize];
  write_header(stream, length, header);
  size_t header_size = multiplexed_ ? kHeaderSize : 0;
  size_t done = 0;
  if (kept_.empty()) {
    iovec parts[2] = {{header, header_size}, {const_cast<char*>(data), length}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t sent = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return output_failed();
    if (sent > 0) done = static_cast<size_t>(sent);
  }
  if (done == header_size + length) return;
  bool first = kept_.empty();
  if (done < header_size) kept_.append(header + done, header_size - done);
  size_t data_done = done > header_size ? done - header_size : 0;
  kept_.append(data + data_done, length - data_done);
  if (first) update_interest();
}

void StreamClient::flush() {
  while (sent_ < kept_.size()) {
    ssize_t sent = ::send(socket_.get(), kept_.data() + sent_, kept_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      // Bytes already taken are cut off now and then, not each time: that would copy the rest over and over.
      if (sent_ > kMaxKept / 2) kept_.erase(0, std::exchange(sent_, 0));
      return full() ? void() : owner_.on_client_drained(*this);
    }
    if (sent < 0) return output_failed();
    sent_ += static_cast<size_t>(sent);
  }
  std::string().swap(kept_);
  sent_ = 0;
  if (finishing_) return close();
  update_interest();
  owner_.on_client_drained(*this);
}

/// The peer does not read any more. What it has sent before is still taken.
void StreamClient::output_failed() {
  output_broken_ = true;
  std::string().swap(kept_);
  sent_ = 0;
  if (input_ended_ || finishing_) return close();
  update_interest();
  owner_.on_client_drained(*this);
}

void StreamClient::finish() {
  if (!socket_) return;
  finishing_ = true;
  if (kept_.empty()) close();
}

void StreamClient::pause_input(bool paused) {
  if (paused == input_paused_) return;
  input_paused_ = paused;
  if (socket_) update_interest();
}

void StreamClient::update_interest() {
  uint32_t events = 0;
  if (!input_paused_ && !input_ended_) events |= EPOLLIN;
  if (!kept_.empty()) events |= EPOLLOUT;
  loop_.change(socket_.get(), events, *this);
}

void StreamClient::close() {
  if (!socket_) return;
  loop_.unwatch(socket_.get());
  // Input left unread would make the kernel report a reset to the peer in place of an end.
  shutdown(socket_.get(), SHUT_WR);
  char chunk[4096];
  for (int count = 0; count < 256 && recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT) > 0; ++count) {
  }
  socket_.reset();
  std::string().swap(kept_);
  sent_ = 0;
  owner_.on_client_closed(*this);
}

}  // namespace gantry::shim
