#include "network/netlink.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <optional>

#include "isolation/error.h"

namespace gantry {
namespace {

constexpr size_t ALIGNMENT = NLMSG_ALIGNTO;
/// What a socket takes at once without being told to take more.
constexpr size_t USUAL_BUFFER = 128 * 1024;

/// What the kernel adds to a refusal: "Invalid bridge port" and the like.
std::string kernel_message(const nlmsghdr& header, const nlmsgerr& answer) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return "";
  size_t offset = sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) offset += NLMSG_ALIGN(answer.msg.nlmsg_len - sizeof(nlmsghdr));
  const size_t size = NLMSG_PAYLOAD(&header, 0);
  if (offset >= size) return "";
  std::string text;
  for_each_attribute(reinterpret_cast<const char*>(&answer) + offset, size - offset,
                     [&](uint16_t type, const char* data, size_t length) {
                       if (type == NLMSGERR_ATTR_MSG) text.assign(data, strnlen(data, length));
                     });
  return text;
}

uint16_t attribute_length(size_t length) {
  if (length > UINT16_MAX) throw Error("build a netlink attribute", EMSGSIZE);
  return static_cast<uint16_t>(length);
}

/// What a list ended with: 0, or the errno that cut it short.
int end_of_list(const nlmsghdr& header) {
  int error = 0;
  if (header.nlmsg_len >= NLMSG_LENGTH(sizeof error)) std::memcpy(&error, NLMSG_DATA(&header), sizeof error);
  return error < 0 ? -error : 0;
}

/// The answer to a request; none where the message is too short to be one.
const nlmsgerr* answer_of(const nlmsghdr& header) {
  if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return nullptr;
  return static_cast<const nlmsgerr*>(NLMSG_DATA(&header));
}

}  // namespace

void for_each_attribute(const void* attributes, size_t size,
                        const std::function<void(uint16_t, const char*, size_t)>& visit) {
  const char* at = static_cast<const char*>(attributes);
  while (size >= sizeof(nlattr)) {
    nlattr attribute;
    std::memcpy(&attribute, at, sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > size) return;
    visit(attribute.nla_type & NLA_TYPE_MASK, at + sizeof attribute, attribute.nla_len - sizeof attribute);
    const size_t step = std::min<size_t>(NLA_ALIGN(attribute.nla_len), size);
    at += step;
    size -= step;
  }
}

void NetlinkBatch::pad() { buffer_.resize((buffer_.size() + ALIGNMENT - 1) & ~(ALIGNMENT - 1)); }

void NetlinkBatch::begin(uint16_t type, uint16_t flags, const void* header, size_t size, std::string operation,
                         int tolerated) {
  pad();
  start_ = buffer_.size();
  buffer_.resize(start_ + sizeof(nlmsghdr));
  current()->nlmsg_type = type;
  current()->nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  requests_.push_back({std::move(operation), tolerated});
  raw(header, size);
}

void NetlinkBatch::raw(const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), bytes, bytes + size);
  pad();
  current()->nlmsg_len = static_cast<uint32_t>(buffer_.size() - start_);
}

void NetlinkBatch::attribute(uint16_t type, const void* data, size_t size) {
  nlattr attribute = {};
  attribute.nla_type = type;
  attribute.nla_len = attribute_length(sizeof attribute + size);
  const char* bytes = reinterpret_cast<const char*>(&attribute);
  buffer_.insert(buffer_.end(), bytes, bytes + sizeof attribute);
  raw(data, size);
}

void NetlinkBatch::attribute(uint16_t type, std::string_view text) {
  attribute(type, std::string(text).c_str(), text.size() + 1);
}

size_t NetlinkBatch::open(uint16_t type) {
  const size_t at = buffer_.size();
  attribute(type | NLA_F_NESTED, nullptr, 0);
  return at;
}

void NetlinkBatch::close(size_t nested) {
  const uint16_t length = attribute_length(buffer_.size() - nested);
  std::memcpy(buffer_.data() + nested, &length, sizeof length);
}

NetlinkSocket::NetlinkSocket(int protocol) {
  socket_.reset(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "open a netlink socket"));
  const int on = 1;
  ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

uint32_t NetlinkSocket::link_index(const std::string& name) const {
  ifreq request = {};
  if (name.empty() || name.size() >= IFNAMSIZ) return 0;
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (::ioctl(socket_.get(), SIOCGIFINDEX, &request) == 0) return static_cast<uint32_t>(request.ifr_ifindex);
  if (errno == ENODEV) return 0;
  throw Error("find network interface " + name);
}

void NetlinkSocket::send(NetlinkBatch& batch) {
  size_t offset = 0;
  uint32_t number = sequence_;
  while (offset < batch.buffer_.size()) {
    auto* header = reinterpret_cast<nlmsghdr*>(batch.buffer_.data() + offset);
    header->nlmsg_seq = ++number;
    offset += NLMSG_ALIGN(header->nlmsg_len);
  }
  const size_t size = batch.buffer_.size();
  if (size > USUAL_BUFFER) {
    const int wanted = static_cast<int>(std::min<size_t>(size, INT_MAX / 2));
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
  }
  check(::send(socket_.get(), batch.buffer_.data(), size, 0), "send to netlink");
}

void NetlinkSocket::receive(const std::function<bool(const nlmsghdr&)>& visit, int flags) {
  // The kernel sizes the pieces of a dump by what its reader offers; 32 KiB is the most it makes.
  alignas(nlmsghdr) static thread_local char buffer[32768];
  for (bool more = true; more;) {
    ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, flags | MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) != 0) return;
    if (check(got, "receive from netlink") > static_cast<ssize_t>(sizeof buffer))
      throw Error("receive from netlink", EMSGSIZE);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, got); header = NLMSG_NEXT(header, got))
      more = visit(*header);
  }
}

void NetlinkSocket::run(NetlinkBatch& batch) {
  if (batch.requests_.empty()) return;
  const uint32_t first = sequence_ + 1;
  const size_t count = batch.requests_.size();
  send(batch);
  sequence_ += static_cast<uint32_t>(count);

  size_t answered = 0;
  std::optional<Error> failure;
  receive([&](const nlmsghdr& header) {
    const uint32_t index = header.nlmsg_seq - first;
    const nlmsgerr* answer = answer_of(header);
    if (answer == nullptr || index >= count) return answered < count;
    const NetlinkBatch::Request& request = batch.requests_[index];
    const int error = -answer->error;
    if (error != 0 && error != request.tolerated && !failure)
      failure.emplace(request.operation, error, kernel_message(header, *answer));
    return ++answered < count;
  });
  if (failure) throw *failure;
}

void NetlinkSocket::commit(NetlinkBatch& batch) {
  const uint32_t first = sequence_ + 1;
  const size_t count = batch.requests_.size();
  send(batch);
  sequence_ += static_cast<uint32_t>(count);

  bool acknowledged = false;
  std::optional<Error> failure;
  const auto visit = [&](const nlmsghdr& header) {
    const uint32_t index = header.nlmsg_seq - first;
    const nlmsgerr* answer = answer_of(header);
    if (answer == nullptr || index >= count) return true;
    if (answer->error == 0) {
      acknowledged = acknowledged || index + 2 == count;
    } else if (!failure) {
      failure.emplace(batch.requests_[index].operation, -answer->error, kernel_message(header, *answer));
    }
    return true;
  };
  // The kernel has done everything, and answered, when `send` returns. How many answers there are is left to it: a
  // transaction that fails at its end is refused once more, as a whole.
  receive(visit, MSG_DONTWAIT);
  if (failure) throw *failure;
  if (!acknowledged) throw Error(batch.requests_.front().operation, 0, "no answer from the kernel");
}

bool NetlinkSocket::query(NetlinkBatch& batch, const std::function<void(const nlmsghdr&)>& visit) {
  send(batch);
  const uint32_t sequence = ++sequence_;
  const NetlinkBatch::Request& request = batch.requests_.front();
  bool consistent = true;
  std::optional<Error> failure;
  receive([&](const nlmsghdr& header) {
    if (header.nlmsg_seq != sequence) return true;
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) consistent = false;
    if (header.nlmsg_type == NLMSG_DONE) {
      if (const int error = end_of_list(header); error != 0 && error != request.tolerated)
        failure.emplace(request.operation, error);
      return false;
    }
    if (header.nlmsg_type != NLMSG_ERROR) {
      visit(header);
      return true;
    }
    const nlmsgerr* answer = answer_of(header);
    if (answer != nullptr && answer->error != 0 && -answer->error != request.tolerated)
      failure.emplace(request.operation, -answer->error, kernel_message(header, *answer));
    return false;
  });
  if (failure) throw *failure;
  return consistent;
}

}  // namespace gantry
