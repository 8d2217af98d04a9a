#include "isolation/namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

using nlohmann::json;

struct Type {
  const char* name;  // in the spec
  const char* file;  // in /proc/<pid>/ns
  uint64_t flag;
};

constexpr Type kTypes[] = {{"pid", "pid", CLONE_NEWPID},         {"network", "net", CLONE_NEWNET},
                           {"mount", "mnt", CLONE_NEWNS},        {"ipc", "ipc", CLONE_NEWIPC},
                           {"uts", "uts", CLONE_NEWUTS},         {"user", "user", CLONE_NEWUSER},
                           {"cgroup", "cgroup", CLONE_NEWCGROUP}};

const Type& type_named(const std::string& name) {
  for (const Type& type : kTypes)
    if (name == type.name) return type;
  throw Error("namespace \"" + name + "\"", 0, "not supported");
}

const Type& type_of(uint64_t flag) {
  for (const Type& type : kTypes)
    if (flag == type.flag) return type;
  throw Error("namespace", EINVAL);
}

bool is_ours(int fd, const Type& type) {
  struct stat theirs, ours;
  const std::string path = std::string("/proc/self/ns/") + type.file;
  return ::fstat(fd, &theirs) == 0 && ::stat(path.c_str(), &ours) == 0 && theirs.st_ino == ours.st_ino &&
         theirs.st_dev == ours.st_dev;
}

void check_maps_root(const std::vector<IdRange>& ranges, const char* name) {
  for (const IdRange& range : ranges)
    if (range.inside == 0 && range.size > 0) return;
  throw Error(std::string("linux.") + name, 0, "a user namespace needs a mapping for id 0");
}

/// A process sees a pid namespace only where it is born, and only its owner may mount its proc.
void check_user_namespace(const Namespaces& plan) {
  if ((plan.created & CLONE_NEWUSER) == 0) return;
  for (const Namespaces::Joined& joined : plan.joined)
    if (joined.type == CLONE_NEWPID)
      throw Error("namespace \"pid\"", 0, "joining one takes joining the user namespace it belongs to");
}

}  // namespace

uint64_t Namespaces::own() const {
  uint64_t flags = created;
  for (const Joined& entry : joined)
    if (!is_ours(entry.fd.get(), type_of(entry.type))) flags |= entry.type;
  if (user) flags |= CLONE_NEWUSER;
  return flags;
}

uint64_t listed_namespaces(const json& spec) {
  uint64_t flags = 0;
  for (const json& entry : field(field(spec, "linux"), "namespaces"))
    flags |= type_named(field_or<std::string>(entry, "type", "")).flag;
  return flags;
}

Namespaces plan_namespaces(const json& spec) {
  Namespaces plan;
  uint64_t seen = 0;
  for (const json& entry : field(field(spec, "linux"), "namespaces")) {
    const Type& type = type_named(field_or<std::string>(entry, "type", ""));
    if ((seen & type.flag) != 0) throw Error(std::string("namespace \"") + type.name + "\"", 0, "listed twice");
    seen |= type.flag;
    const std::string path = field_or<std::string>(entry, "path", "");
    if (path.empty()) {
      plan.created |= type.flag;
      continue;
    }
    if ((type.flag & (CLONE_NEWNS | CLONE_NEWCGROUP)) != 0)
      throw Error(std::string("namespace \"") + type.name + "\"", 0, "joining one by path is not supported");
    Namespaces::Joined joined{type.flag, path, UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
    if (!joined.fd) throw Error("open namespace " + path);
    if (type.flag == CLONE_NEWUSER)
      plan.user = std::move(joined.fd);
    else
      plan.joined.push_back(std::move(joined));
  }
  check_user_namespace(plan);
  if ((plan.created & CLONE_NEWNS) == 0) throw Error("linux.namespaces", 0, "a container needs a mount namespace");
  return plan;
}

void NamespaceVisit::enter(uint64_t type, int fd, const std::string& name) {
  const std::string own = std::string("/proc/self/ns/") + type_of(type).file;
  Home home{type, UniqueFd(::open(own.c_str(), O_RDONLY | O_CLOEXEC))};
  if (!home.fd) throw Error("open " + own);
  if (::setns(fd, static_cast<int>(type)) < 0) throw Error("join namespace " + name);
  homes_.push_back(std::move(home));
}

NamespaceVisit::~NamespaceVisit() {
  for (const Home& home : homes_)
    if (::setns(home.fd.get(), static_cast<int>(home.type)) < 0) std::abort();
}

void become_container_root() {
  check(::setgroups(0, nullptr), "setgroups");
  check(::setresgid(0, 0, 0), "setgid");
  check(::setresuid(0, 0, 0), "setuid");
}

IdMaps container_ids(const json& spec) {
  if ((listed_namespaces(spec) & CLONE_NEWUSER) == 0) return {};
  IdMaps maps = read_id_maps(field(spec, "linux"));
  check_maps_root(maps.users, "uidMappings");
  check_maps_root(maps.groups, "gidMappings");
  return maps;
}

}  // namespace gantry
