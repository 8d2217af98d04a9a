#include "shim/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "isolation/error.h"

namespace gantry::shim {

UniqueFd listen_unix(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) throw Error("bind " + name, ENAMETOOLONG);
  std::memcpy(address.sun_path, name.c_str(), name.size());
  UniqueFd listener(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  unlink(name.c_str());
  mode_t old = umask(0177);
  int bound = bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  int error = errno;
  umask(old);
  if (bound < 0) throw Error("bind " + name, error);
  check(listen(listener.get(), 128), "listen on " + name);
  return listener;
}

}  // namespace gantry::shim
