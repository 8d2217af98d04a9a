#include "shim/assignment.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

/// The kernel takes 253 with one message.
constexpr size_t kDescriptorsAtOnce = 128;
constexpr size_t kLongestPath = 4096;
/// Log and namespaces come before the sockets.
constexpr size_t kFixedDescriptors = 3;

constexpr int kLog = 2;
constexpr int kNetworkNamespace = 4;
constexpr int kUserNamespace = 5;

struct Header {
  uint32_t path_size;
  uint32_t descriptor_count;
};

constexpr char kSending[] = "give a shim its container";
constexpr char kReceiving[] = "read the assignment";

void send_bytes(int connection, const void* bytes, size_t size) {
  const ssize_t sent = check(::send(connection, bytes, size, MSG_NOSIGNAL), kSending);
  // The connection is new: what is sent has room at once.
  if (sent != static_cast<ssize_t>(size)) throw Error(kSending, EAGAIN);
}

/// One byte for each, which says whether there is one, and those that there are along with it.
void send_descriptors(int connection, const int* descriptors, size_t count) {
  char present[kDescriptorsAtOnce];
  std::vector<int> sent;
  for (size_t index = 0; index < count; ++index) {
    present[index] = descriptors[index] >= 0 ? 1 : 0;
    if (descriptors[index] >= 0) sent.push_back(descriptors[index]);
  }
  iovec part{present, count};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsAtOnce * sizeof(int))]{};
  if (!sent.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sent.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sent.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), sent.data(), sent.size() * sizeof(int));
  }
  const ssize_t size = check(::sendmsg(connection, &message, MSG_NOSIGNAL), kSending);
  if (size != static_cast<ssize_t>(count)) throw Error(kSending, EAGAIN);
}

/// @return false at the end of the connection
bool receive_bytes(int connection, void* bytes, size_t size) {
  ssize_t received;
  do {
    received = ::recv(connection, bytes, size, MSG_WAITALL);
  } while (received < 0 && errno == EINTR);
  check(received, kReceiving);
  return received == static_cast<ssize_t>(size);
}

std::vector<UniqueFd> take_descriptors(msghdr& message) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; ++index) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + index * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

/// Appends as many as have come, `most` at most. @return false at the end of the connection
bool receive_descriptors(int connection, size_t most, std::vector<UniqueFd>& descriptors) {
  char present[kDescriptorsAtOnce];
  iovec part{present, std::min(most, sizeof present)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsAtOnce * sizeof(int))];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do {
    size = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  check(size, kReceiving);
  std::vector<UniqueFd> taken = take_descriptors(message);
  auto next = taken.begin();
  for (ssize_t index = 0; index < size; ++index) {
    if (present[index] != 0 && next == taken.end()) throw Error(kReceiving, EMFILE, "a descriptor is missing");
    descriptors.push_back(present[index] != 0 ? std::move(*next++) : UniqueFd());
  }
  return size > 0;
}

/// What is there at a reserved number makes room.
UniqueFd moved_to(UniqueFd fd, int number) {
  if (fd) return UniqueFd(check(::dup3(fd.get(), number, O_CLOEXEC), "duplicate a descriptor"));
  ::close(number);
  return fd;
}

}  // namespace

void send_assignment(int connection, const AssignmentSource& source) {
  std::vector<int> descriptors{source.log, source.network_namespace, source.user_namespace};
  descriptors.insert(descriptors.end(), source.sockets.begin(), source.sockets.end());
  const Header header{static_cast<uint32_t>(source.bundle.size()), static_cast<uint32_t>(descriptors.size())};
  send_bytes(connection, &header, sizeof header);
  send_bytes(connection, source.bundle.data(), source.bundle.size());
  for (size_t index = 0; index < descriptors.size(); index += kDescriptorsAtOnce)
    send_descriptors(connection, descriptors.data() + index, std::min(kDescriptorsAtOnce, descriptors.size() - index));
}

std::optional<Assignment> receive_assignment(int connection) {
  Header header;
  if (!receive_bytes(connection, &header, sizeof header)) return std::nullopt;
  if (header.path_size > kLongestPath || header.descriptor_count < kFixedDescriptors) throw Error(kReceiving, EBADMSG);
  Assignment assignment;
  assignment.bundle.resize(header.path_size);
  if (!receive_bytes(connection, assignment.bundle.data(), header.path_size)) return std::nullopt;
  std::vector<UniqueFd> descriptors;
  while (descriptors.size() < header.descriptor_count)
    if (!receive_descriptors(connection, header.descriptor_count - descriptors.size(), descriptors))
      return std::nullopt;
  assignment.log = std::move(descriptors[0]);
  assignment.network_namespace = std::move(descriptors[1]);
  assignment.user_namespace = std::move(descriptors[2]);
  for (size_t index = kFixedDescriptors; index < descriptors.size(); ++index)
    assignment.sockets.push_back(std::move(descriptors[index]));
  return assignment;
}

void reserve_places(int any) {
  for (const int number : {kNetworkNamespace, kUserNamespace})
    check(::dup3(any, number, O_CLOEXEC), "duplicate a descriptor");
}

void take_places(Assignment& assignment) {
  // Not close-on-exec: another OCI runtime says there what goes wrong.
  check(::dup2(assignment.log.get(), kLog), "duplicate a descriptor");
  assignment.log.reset();
  assignment.network_namespace = moved_to(std::move(assignment.network_namespace), kNetworkNamespace);
  assignment.user_namespace = moved_to(std::move(assignment.user_namespace), kUserNamespace);
}

}  // namespace gantry::shim
