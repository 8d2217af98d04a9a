#include "isolation/spec_check.h"

#include <sched.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/rootfs.h"
#include "isolation/spec_field.h"
#include "isolation/sysctl.h"

namespace gantry {
namespace {

using nlohmann::json;

bool is_empty(const json& value) {
  return value.is_null() || value == false || value == "" || (value.is_structured() && value.empty());
}

/// `known` are the members that are dealt with somewhere.
void check_members(const json& object, const char* name, std::initializer_list<const char*> known) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) {
    const std::string& member = key;
    if (is_empty(value)) continue;
    if (std::none_of(known.begin(), known.end(), [&member](const char* entry) { return member == entry; }))
      throw Error(std::string(name) + member, 0, "not supported");
  }
}

/// The kernel takes strings that end at their first NUL: what stands behind one would be lost without a word.
void check_string(const std::string& text) {
  if (text.find('\0') != std::string::npos)
    throw Error("read the OCI spec", EINVAL, "a NUL byte follows \"" + std::string(text.c_str()) + "\"");
}

void check_strings(const json& value) {
  if (value.is_string()) check_string(value.get_ref<const std::string&>());
  if (value.is_array())
    for (const json& element : value) check_strings(element);
  if (!value.is_object()) return;
  for (const auto& [key, member] : value.items()) {
    check_string(key);
    check_strings(member);
  }
}

void check_members_of_process(const json& process) {
  if (!process.is_object()) throw Error("process", EINVAL, "absent");
  check_members(process, "process.",
                {"terminal", "consoleSize", "user", "args", "env", "cwd", "capabilities", "rlimits", "noNewPrivileges",
                 "apparmorProfile", "selinuxLabel", "oomScoreAdj", "ioPriority"});
  check_members(field(process, "user"), "process.user.",
                {"uid", "gid", "umask", "additionalGids", "username", "additionalGroups"});
  const std::string cwd = field_or<std::string>(process, "cwd", "/");
  if (cwd.empty() || cwd[0] != '/') throw Error("process.cwd", EINVAL, "not an absolute path");
}

}  // namespace

void check_spec(const json& spec, uint64_t own) {
  check_members(spec, "",
                {"ociVersion", "process", "root", "hostname", "domainname", "mounts", "annotations", "linux"});
  check_strings(spec);
  const json& linux_section = field(spec, "linux");
  // Resources and the cgroup's path are the business of Cgroup; a seccomp profile comes compiled.
  check_members(linux_section, "linux.",
                {"namespaces", "uidMappings", "gidMappings", "devices", "cgroupsPath", "resources", "rootfsPropagation",
                 "maskedPaths", "readonlyPaths", "sysctl", "personality"});
  check_members(field(spec, "root"), "root.", {"path", "readonly"});
  check_sysctls(field(linux_section, "sysctl"), own);
  for (const char* name : {"hostname", "domainname"})
    if (!is_empty(field(spec, name)) && (own & CLONE_NEWUTS) == 0)
      throw Error(name, 0, "cannot be set in the host's UTS namespace");
  check_members_of_process(field(spec, "process"));
}

void check_process(const json& process) {
  check_strings(process);
  check_members_of_process(process);
}

}  // namespace gantry
