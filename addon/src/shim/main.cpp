#include <fcntl.h>
#include <unistd.h>

#include <cstring>

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

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || strcmp(arguments[1], "--bundle") != 0) {
    gantry::shim::diagnose("usage: gantry-shim --bundle DIR");
    return 2;
  }
  try {
    auto control = inherited(kControl);
    if (!control) throw gantry::Error("descriptor 3, the control connection");
    auto network_namespace = inherited(kNetworkNamespace);
    const auto user_namespace = inherited(kUserNamespace);
    gantry::shim::settle_environment(kUserNamespace + 1);
    gantry::check(chdir(arguments[2]), std::string("chdir ") + arguments[2]);
    gantry::shim::Supervisor(std::move(control), std::move(network_namespace)).run();
    return 0;
  } catch (const std::exception& error) {
    gantry::shim::diagnose("%s", error.what());
    return 1;
  }
}
