#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "isolation/error.h"
#include "shim/diagnostics.h"
#include "shim/process_environment.h"
#include "shim/supervisor.h"

namespace {

constexpr int kControl = 3;
constexpr int kNetworkNamespace = 4;
constexpr int kUserNamespace = 5;

/// Takes an inherited descriptor; empty if there is none.
gantry::UniqueFd inherited(int number) {
  if (fcntl(number, F_SETFD, FD_CLOEXEC) < 0) return {};
  return gantry::UniqueFd(number);
}

/// The sockets of published ports, behind the namespaces.
std::vector<gantry::UniqueFd> port_sockets(int count) {
  std::vector<gantry::UniqueFd> sockets;
  for (int number = kUserNamespace + 1; count > 0; --count, ++number) sockets.push_back(inherited(number));
  return sockets;
}

}  // namespace

int main(int count, char** arguments) {
  const bool with_ports = count == 5 && strcmp(arguments[3], "--ports") == 0;
  if ((count != 3 && !with_ports) || strcmp(arguments[1], "--bundle") != 0) {
    gantry::shim::diagnose("usage: gantry-shim --bundle DIR [--ports COUNT]");
    return 2;
  }
  try {
    auto control = inherited(kControl);
    if (!control) throw gantry::Error("descriptor 3, the control connection");
    auto network_namespace = inherited(kNetworkNamespace);
    const auto user_namespace = inherited(kUserNamespace);
    auto sockets = port_sockets(with_ports ? atoi(arguments[4]) : 0);
    gantry::shim::settle_environment(static_cast<unsigned>(kUserNamespace + 1 + sockets.size()));
    gantry::check(chdir(arguments[2]), std::string("chdir ") + arguments[2]);
    gantry::shim::Supervisor(std::move(control), std::move(network_namespace), std::move(sockets)).run();
    return 0;
  } catch (const std::exception& error) {
    gantry::shim::diagnose("%s", error.what());
    return 1;
  }
}
