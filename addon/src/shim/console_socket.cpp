#include "shim/console_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "isolation/error.h"
#include "shim/unix_listener.h"

namespace gantry::shim {

ConsoleSocket::ConsoleSocket(std::string name) : name_(std::move(name)), listener_(listen_unix(name_)) {}

ConsoleSocket::~ConsoleSocket() { unlink(name_.c_str()); }

std::string ConsoleSocket::path() const { return "/proc/" + std::to_string(getpid()) + "/cwd/" + name_; }

UniqueFd ConsoleSocket::receive() {
  UniqueFd connection(check(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept the terminal"));
  char name[4096];
  iovec part{name, sizeof name};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  check(recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT), "receive the terminal");
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) throw Error("receive the terminal", ENOMSG);
  int terminal = -1;
  std::memcpy(&terminal, CMSG_DATA(header), sizeof terminal);
  return UniqueFd(terminal);
}

}  // namespace gantry::shim
