#include "isolation/loopback.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

void bring_up_loopback() {
  const UniqueFd socket(
      check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket for the loopback interface"));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(::ioctl(socket.get(), SIOCSIFFLAGS, &request), "bring up the loopback interface");
}

}  // namespace gantry
