#include "shim/container_network.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "isolation/error.h"
#include "shim/diagnostics.h"

namespace gantry::shim {

/// The shim has one thread: while this lives, nothing else of it runs.
class ContainerNetwork::Visit {
 public:
  explicit Visit(const ContainerNetwork& network) : home_(network.home_.get()) {
    check(setns(network.inside_, CLONE_NEWNET), "enter the container's network");
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() {
    if (setns(home_, CLONE_NEWNET) == 0) return;
    // What it did from now on would happen in the wrong network.
    diagnose("no way back from the container's network: %s", strerrordesc_np(errno));
    _exit(1);
  }

 private:
  int home_;
};

ContainerNetwork::ContainerNetwork(int network_namespace)
    : inside_(network_namespace),
      home_(check(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "open /proc/self/ns/net")) {}

UniqueFd ContainerNetwork::socket(int family, int type, int protocol) const {
  Visit visit(*this);
  return host_socket(family, type, protocol);
}

UniqueFd ContainerNetwork::host_socket(int family, int type, int protocol) {
  return UniqueFd(check(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), "open a socket"));
}

unsigned ContainerNetwork::interface_index(const std::string& name) const {
  Visit visit(*this);
  return if_nametoindex(name.c_str());
}

}  // namespace gantry::shim
