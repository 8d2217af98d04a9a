#include "isolation/launch_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>

#include "isolation/descriptor_message.h"

namespace gantry {
namespace {

/// One message of the child; the texts follow it, operation first.
struct Report {
  enum Kind : uint32_t { ready, process_error, error };
  Kind kind;
  int32_t pid;  // of a successor
  int32_t error_number;
  int32_t exit_code;
  uint32_t operation_size;
};

constexpr size_t kMaxText = 8192;
constexpr time_t kTimeoutSeconds = 120;

void send(int socket, const Report& report, std::string_view operation, std::string_view text,
          int descriptor) noexcept {
  iovec parts[3] = {{const_cast<Report*>(&report), sizeof report},
                    {const_cast<char*>(operation.data()), operation.size()},
                    {const_cast<char*>(text.data()), text.size()}};
  // The parent learns of a failure to send by the end of the connection.
  if (send_message(socket, parts, 3, descriptor) < 0 && report.kind == Report::ready) ::_exit(1);
}

}  // namespace

void open_launch_channel(UniqueFd& parent, UniqueFd& child) {
  int ends[2];
  // Messages keep their boundaries and their order, and the end of either side is seen by the other.
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  parent.reset(ends[0]);
  child.reset(ends[1]);
  const timeval timeout{kTimeoutSeconds, 0};
  check(::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), "setsockopt");
}

void ChildChannel::await(Permission expected) const {
  char permission;
  ssize_t size;
  do {
    size = ::read(socket_.get(), &permission, 1);
  } while (size < 0 && errno == EINTR);
  if (size != 1 || permission != static_cast<char>(expected)) ::_exit(1);
}

void ChildChannel::ready(int terminal) const { send(socket_.get(), {Report::ready, 0, 0, 0, 0}, {}, {}, terminal); }

void ChildChannel::hand_over(pid_t pid, int pidfd) const {
  send(socket_.get(), {Report::ready, pid, 0, 0, 0}, {}, {}, pidfd);
}

void ChildChannel::fail(const std::exception& exception) const noexcept {
  Report report{Report::error, 0, 0, 0, 0};
  std::string_view operation = "prepare the process";
  if (const auto* error = dynamic_cast<const Error*>(&exception)) {
    report.error_number = error->error();
    operation = error->operation();
  }
  if (const auto* error = dynamic_cast<const ProcessError*>(&exception)) {
    report.kind = Report::process_error;
    report.exit_code = error->exit_code();
  }
  operation = operation.substr(0, kMaxText / 2);
  report.operation_size = static_cast<uint32_t>(operation.size());
  send(socket_.get(), report, operation, std::string_view(exception.what()).substr(0, kMaxText / 2), -1);
}

void ParentChannel::allow(Permission permission) const {
  // A child that has ended has said why; receive() tells.
  (void)::send(socket_.get(), &permission, 1, MSG_NOSIGNAL);
}

pid_t ParentChannel::receive(UniqueFd* into, int flags) const {
  Report report;
  char text[kMaxText];
  iovec parts[2] = {{&report, sizeof report}, {text, sizeof text}};
  UniqueFd descriptor;
  ssize_t size;
  do {
    // A child that ends without having read everything resets the connection; its report comes after that.
    size = receive_message(socket_.get(), parts, 2, descriptor, flags);
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) throw Error("prepare the process", ETIMEDOUT);
  if (size < static_cast<ssize_t>(sizeof report)) return -1;

  if (report.kind == Report::ready) {
    if (into) *into = std::move(descriptor);
    return report.pid;
  }
  const std::string_view texts(text, static_cast<size_t>(size) - sizeof report);
  const std::string_view operation = texts.substr(0, report.operation_size);
  const std::string_view what = texts.substr(operation.size());
  if (report.kind == Report::process_error)
    throw ProcessError(std::string(operation), report.error_number, report.exit_code, ErrorText{std::string(what)});
  throw Error(std::string(operation), report.error_number, ErrorText{std::string(what)});
}

ParentChannel::Answer ParentChannel::receive(UniqueFd* terminal) const {
  return receive(terminal, 0) < 0 ? Answer::closed : Answer::ready;
}

ParentChannel::Successor ParentChannel::receive_successor() const {
  Successor successor;
  successor.pid = std::max(0, receive(&successor.pidfd, 0));
  return successor;
}

void ParentChannel::rethrow_report() const {
  try {
    receive(nullptr, MSG_DONTWAIT);
  } catch (const Error& error) {
    if (error.error() != ETIMEDOUT) throw;
  }
}

}  // namespace gantry
