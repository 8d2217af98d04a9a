#include <fcntl.h>
#include <unistd.h>

#include "isolation/cgroup_layout.h"
#include "isolation/error.h"
#include "shim/assignment.h"
#include "shim/diagnostics.h"
#include "shim/process_environment.h"
#include "shim/supervisor.h"

namespace {

constexpr int kControl = 3;

/// What is the same for all containers is found out while there is time.
void look_around() {
  try {
    gantry::CgroupLayout::get();
  } catch (const std::exception&) {
    // Whoever needs it will say so.
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 2 || fcntl(kControl, F_SETFD, FD_CLOEXEC) < 0) {
    gantry::shim::diagnose("gantry-shim is started by gantryd");
    return 2;
  }
  try {
    gantry::UniqueFd control(kControl);
    gantry::shim::settle_environment(kControl + 1);
    gantry::shim::reserve_places(control.get());
    look_around();
    auto assignment = gantry::shim::receive_assignment(control.get());
    if (!assignment) return 0;  // nobody needs this one any more
    gantry::shim::take_places(*assignment);
    if (count == 2) gantry::shim::show_bundle(arguments[1], assignment->bundle);
    gantry::check(chdir(assignment->bundle.c_str()), "chdir " + assignment->bundle);
    gantry::shim::Supervisor(std::move(control), std::move(assignment->network_namespace),
                             std::move(assignment->sockets))
        .run();
    return 0;
  } catch (const std::exception& error) {
    gantry::shim::diagnose("%s", error.what());
    return 1;
  }
}
