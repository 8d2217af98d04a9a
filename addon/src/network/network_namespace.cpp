#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "isolation/error.h"
#include "isolation/user_namespace.h"
#include "network/namespace_thread.h"
#include "network/network.h"

namespace gantry {
namespace {

void bring_loopback_up() {
  UniqueFd control(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket"));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(::ioctl(control.get(), SIOCSIFFLAGS, &request), "bring the loopback interface up");
}

UniqueFd with_loopback_up(UniqueFd network) {
  on_own_thread([&] {
    check(::setns(network.get(), CLONE_NEWNET), "enter a network namespace");
    bring_loopback_up();
  });
  return network;
}

}  // namespace

UniqueFd create_network_namespace(const IdMaps& ids) { return with_loopback_up(create_network_namespace_for(ids)); }

UniqueFd create_network_namespace(pid_t owner) {
  const std::string path = "/proc/" + std::to_string(owner) + "/ns/user";
  const UniqueFd user(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  return with_loopback_up(create_network_namespace_in(user.get()));
}

UniqueFd create_network_namespace() {
  UniqueFd result;
  on_own_thread([&] {
    check(::unshare(CLONE_NEWNET), "create a network namespace");
    bring_loopback_up();
    result.reset(check(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open /proc/thread-self/ns/net"));
  });
  return result;
}

}  // namespace gantry
