#include <sched.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "isolation/container.h"
#include "isolation/launcher.h"
#include "isolation/namespaces.h"
#include "isolation/process_setup.h"
#include "isolation/spec_check.h"
#include "isolation/spec_field.h"
#include "isolation/standard_streams.h"

namespace gantry {

using nlohmann::json;

namespace {

/// What the process says, and where it says nothing what the container's first process had.
const json& inherited_field(const json& spec, const json& process, const char* name) {
  const json& own = field(process, name);
  return own.is_null() ? field(field(spec, "process"), name) : own;
}

Process launch(const json& spec, const json& process, int init_pidfd, const LaunchOptions& options) {
  check_process(process);
  const uint64_t namespaces = listed_namespaces(spec);
  Execution execution;
  execution.filter = read_seccomp_filter(options.seccomp_filter);
  execution.limits = read_rlimits(inherited_field(spec, process, "rlimits"));

  give_stdio_to(options.stdio, container_ids(spec));
  Launcher launcher(options.cgroup_path);
  launcher.spawn_inside(init_pidfd, namespaces, options.stdio, [&](ChildChannel& channel, UniqueFd& parent) {
    ::umask(0);
    if ((namespaces & CLONE_NEWUSER) != 0) become_container_root();
    execution.parent = std::move(parent);
    execute_process(spec, process, execution, channel);
  });
  launcher.place(execution.limits, inherited_field(spec, process, "oomScoreAdj"), options.start_at_once);
  return launcher.finish();
}

}  // namespace

Process create_exec(const json& spec, const json& process, pid_t, int init_pidfd, const LaunchOptions& options) {
  return reading_spec([&] { return launch(spec, process, init_pidfd, options); });
}

}  // namespace gantry
