#include "isolation/security_label.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>

#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

void write_exec_profile(const std::string& profile) {
  const std::string what = "apparmorProfile " + profile;
  // A procfs of our own: a container may have covered its /proc (CVE-2019-16884).
  const UniqueFd proc = make_filesystem("proc", "proc", {});
  const UniqueFd file(::openat(proc.get(), "thread-self/attr/apparmor/exec", O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file && errno == ENOENT) throw Error(what, 0, "the host does not have AppArmor");
  const std::string order = "exec " + profile;
  if (!file || ::write(file.get(), order.data(), order.size()) != static_cast<ssize_t>(order.size())) throw Error(what);
}

}  // namespace

void set_security_labels(const nlohmann::json& process) {
  const std::string label = field_or<std::string>(process, "selinuxLabel", "");
  if (!label.empty()) throw Error("selinuxLabel " + label, 0, "SELinux is not supported");
  const std::string profile = field_or<std::string>(process, "apparmorProfile", "");
  if (!profile.empty() && profile != "unconfined") write_exec_profile(profile);
}

}  // namespace gantry
