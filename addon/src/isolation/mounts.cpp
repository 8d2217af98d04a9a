#include "isolation/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "isolation/container.h"
#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/namespaces.h"
#include "isolation/path_in_root.h"
#include "isolation/rootfs.h"
#include "isolation/spec_field.h"
#include "isolation/system_calls.h"
#include "isolation/tmpfs_copy_up.h"
#include "isolation/user_namespace.h"

namespace gantry {
namespace {

using nlohmann::json;

bool has_namespace(const json& spec, const char* type) {
  for (const json& entry : field(field(spec, "linux"), "namespaces"))
    if (field_or<std::string>(entry, "type", "") == type) return true;
  return false;
}

/// How bind mounts without a propagation of their own relate to the host, as runc has it: as rootfsPropagation says.
MountOptions::Propagation default_propagation(const json& spec) {
  const std::string name = field_or<std::string>(field(spec, "linux"), "rootfsPropagation", "");
  if (name.empty()) return {MS_SLAVE, true};
  const auto propagation = parse_propagation(name);
  if (!propagation) throw Error("linux.rootfsPropagation", 0, "\"" + name + "\" is not a propagation mode");
  return {propagation->type == MS_UNBINDABLE ? uint64_t{MS_PRIVATE} : propagation->type, true};
}

std::string parameter_of(const Mount& mount, const char* name) {
  for (const auto& [key, value] : mount.options.parameters)
    if (key == name) return value.value_or("");
  return "";
}

/// An overlay of directories and nothing else: an image as it is mounted, or one that can be written to.
bool is_layered(const Mount& mount) {
  const auto& parameters = mount.options.parameters;
  const bool writable = !parameter_of(mount, "upperdir").empty() && !parameter_of(mount, "workdir").empty();
  return mount.type == "overlay" && !mount.options.bind && !parameter_of(mount, "lowerdir").empty() &&
         parameters.size() == (writable ? 3 : 1);
}

/// Topmost first.
std::vector<std::string> layers_of(const Mount& mount) {
  std::vector<std::string> layers;
  const std::string list = parameter_of(mount, "lowerdir");
  for (size_t start = 0; start <= list.size();) {
    const size_t end = std::min(list.find(':', start), list.size());
    layers.push_back(list.substr(start, end - start));
    start = end + 1;
  }
  return layers;
}

Mount read_mount(const json& entry, const MountOptions::Propagation& propagation) {
  Mount mount;
  mount.destination = field_or<std::string>(entry, "destination", "");
  mount.source = field_or<std::string>(entry, "source", "");
  mount.type = field_or<std::string>(entry, "type", "");
  mount.subpath = field_or<std::string>(entry, "subpath", "");
  mount.options = parse_mount_options(field_or<std::vector<std::string>>(entry, "options", {}));
  const std::string what = "mount on " + mount.destination;
  if (mount.destination.empty() || mount.destination[0] != '/' || name_of(mount.destination).empty())
    throw Error("mount on \"" + mount.destination + "\"", 0, "the destination must be an absolute path below /");
  mount.ids = read_id_maps(entry);

  if (mount.type == "bind" || mount.type == "none" || mount.type.empty()) mount.options.bind = true;
  if (!mount.subpath.empty() && !mount.options.bind && !is_layered(mount))
    throw Error(what, 0, "mounts[].subpath needs a bind mount or an overlay");
  if (!mount.options.bind) {
    if (!mount.ids.empty() && !is_layered(mount))
      throw Error(what, 0, "mounts[].uidMappings and gidMappings need a bind mount or an overlay");
    return mount;
  }
  if (!mount.options.parameters.empty())
    throw Error(what, 0, "a bind mount has no option \"" + mount.options.parameters[0].first + "\"");
  if (mount.options.copy_up) throw Error(what, 0, "a bind mount has no option \"tmpcopyup\"");
  if (mount.source.empty()) throw Error(what, 0, "a bind mount needs a source");
  // Before the entry's own ones, so that those win.
  mount.options.propagation.insert(mount.options.propagation.begin(), propagation);
  return mount;
}

/// A /proc that is not the kernel's would tell whoever enters the container lies about itself.
void check_covers_proc(const Mount& mount) {
  if (mount.destination != "/proc" || (!mount.options.bind && !is_layered(mount))) return;
  struct statfs file_system;
  if (::fstatfs(mount.fd.get(), &file_system) < 0) throw Error("statfs " + mount.source);
  if (file_system.f_type != PROC_SUPER_MAGIC)
    throw Error("check proc-safety of /proc mount", 0,
                "\"/proc\" cannot be mounted because it is not the kernel's file system");
}

bool is_cgroup(const Mount& mount) {
  return !mount.options.bind && (mount.type == "cgroup" || mount.type == "cgroup2");
}

/// Everything under /proc that a mount may cover: what LXCFS and the like replace. Anything else there would let a
/// container hide from its own restrictions.
bool may_cover_in_proc(const std::string& destination) {
  for (const char* allowed : {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps",
                              "/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev",
                              "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"})
    if (destination == allowed) return true;
  return false;
}

void check_target(const Mount& mount, int root, int target) {
  if (mount.type == "proc" || mount.type == "sysfs") {
    // Masked and read-only paths are looked up by name later: what they are under must not be a link that can change.
    UniqueFd direct(sys::openat2(root, mount.destination.c_str(), O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS));
    if (!direct) throw Error("mount on " + mount.destination, errno, "must be mounted on a real directory");
    return;
  }
  struct statfs file_system;
  if (::fstatfs(target, &file_system) < 0) throw Error("statfs " + mount.destination);
  if (file_system.f_type == PROC_SUPER_MAGIC && !may_cover_in_proc(mount.destination))
    throw Error("check proc-safety of " + mount.destination + " mount", 0,
                "\"" + mount.destination + "\" cannot be mounted because it is inside /proc");
}

}  // namespace

std::vector<Mount> plan_mounts(const json& spec, const std::string& cgroup_path) {
  const MountOptions::Propagation propagation = default_propagation(spec);
  std::vector<Mount> mounts;
  for (const json& entry : field(spec, "mounts")) {
    Mount mount = read_mount(entry, propagation);
    if (!is_cgroup(mount)) {
      mounts.push_back(std::move(mount));
      continue;
    }
    for (Mount& part : plan_cgroup_mounts(mount, cgroup_path, has_namespace(spec, "cgroup")))
      mounts.push_back(std::move(part));
  }
  return mounts;
}

namespace {

/// A source "/proc/<pid>/root/<path>" lies in the mount namespace of another process, and only from in there does the
/// kernel let it be cloned.
UniqueFd clone_foreign_mount(pid_t pid, const std::string& path, bool recursive) {
  const UniqueFd process(check(sys::pidfd_open(pid), "pidfd_open"));
  const UniqueFd own_root(check(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "open /"));
  const UniqueFd own_directory(check(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), "open the working directory"));
  UniqueFd mount;
  {
    NamespaceVisit visit;
    visit.enter(CLONE_NEWNS, process.get(), "the mount namespace of process " + std::to_string(pid));
    mount = clone_mount(path, recursive);
  }
  // Entering a mount namespace moved both to its root.
  check(::fchdir(own_root.get()), "return to the root");
  check(::chroot("."), "return to the root");
  check(::fchdir(own_directory.get()), "return to the working directory");
  return mount;
}

UniqueFd clone_source(const Mount& mount) {
  const std::string& source = mount.source;
  const bool recursive = mount.options.recursive_bind;
  if (!mount.subpath.empty()) {
    const UniqueFd base(check(::open(source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open bind source " + source));
    return clone_below(base.get(), mount.subpath, recursive, source);
  }
  int pid = 0, prefix = 0;
  if (std::sscanf(source.c_str(), "/proc/%d/root%n", &pid, &prefix) == 1 && prefix > 0 && source[prefix] == '/')
    return clone_foreign_mount(pid, source.substr(prefix), recursive);
  return clone_mount(source, recursive);
}

bool is_directory(int fd, const std::string& name) {
  struct stat status;
  if (::fstat(fd, &status) < 0) throw Error("stat " + name);
  return S_ISDIR(status.st_mode);
}

}  // namespace

void open_sources(std::vector<Mount>& mounts) {
  for (Mount& mount : mounts) {
    if (is_layered(mount)) {
      mount.fd = mount_overlay(layers_of(mount), parameter_of(mount, "upperdir"), parameter_of(mount, "workdir"),
                               OverlaySync::ordinary, mount.ids);
    } else if (mount.options.bind) {
      mount.fd = clone_source(mount);
      if (!mount.ids.empty())
        map_ids(mount.fd.get(), create_user_namespace(mount.ids).get(), mount.options.recursive_id_map, mount.source);
    } else {
      continue;
    }
    mount.directory = is_directory(mount.fd.get(), mount.source);
    check_covers_proc(mount);
    set_mount_options(mount.fd.get(), mount.options, mount.destination);
  }
}

bool Mount::takes_mode() const {
  if (type != "tmpfs" || options.bind || options.copy_up) return false;
  for (const auto& parameter : options.parameters)
    if (parameter.first == "mode") return false;
  return true;
}

void make_mount(Mount& mount) {
  MountOptions options = mount.options;
  // What is to be filled or changed first becomes read-only afterwards, in attach_mounts.
  if (mount.is_completed_late()) options.set &= ~uint64_t{MOUNT_ATTR_RDONLY};
  mount.fd = make_filesystem(mount.type, mount.source, options);
  for (const auto& [name, target] : mount.links)
    if (::symlinkat(target.c_str(), mount.fd.get(), name.c_str()) < 0) throw Error("symlink " + name);
  if (!options.propagation.empty() && !mount.is_completed_late())
    set_mount_options(mount.fd.get(), mount.options, mount.destination);
}

namespace {

void set_mode(const Mount& mount, mode_t mode) {
  const UniqueFd opened(::openat(mount.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fchmod(opened.get(), mode) < 0) throw Error("chmod " + mount.destination);
}

/// The mode that was asked for wins over that of the directory whose content was copied.
void restore_mode(const Mount& mount) {
  for (const auto& [name, value] : mount.options.parameters)
    if (name == "mode" && value) set_mode(mount, static_cast<mode_t>(std::stoul(*value, nullptr, 8)));
}

void take_mode(const Mount& mount, int covered) {
  struct stat status;
  if (::fstat(covered, &status) < 0) throw Error("stat " + mount.destination);
  set_mode(mount, status.st_mode & 07777);
}

/// Of these, the kernel says only that an argument is invalid. The exit code is that of a mistake in the request.
void check_kind(const Mount& mount, int target) {
  if (is_directory(target, mount.destination) == mount.directory) return;
  throw ProcessError(
      "mount " + mount.source + " on " + mount.destination, ENOTDIR, 127,
      "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists "
      "and is the expected type");
}

}  // namespace

void attach_mounts(int root, std::vector<Mount>& mounts) {
  for (Mount& mount : mounts) {
    if (!mount.subpath.empty() && !mount.options.bind) {
      mount.fd = take_subpath(std::move(mount.fd), root, mount.subpath, mount.source);
      mount.directory = is_directory(mount.fd.get(), mount.subpath);
    }
    UniqueFd target = try_open_in_root(root, mount.destination);
    const bool covers = static_cast<bool>(target);
    if (!covers) target = make_mount_point(root, mount.destination, mount.directory);
    check_target(mount, root, target.get());
    check_kind(mount, target.get());
    if (mount.options.copy_up) {
      copy_up(open_in_root(root, mount.destination, O_RDONLY | O_DIRECTORY).get(), mount.fd.get(), mount.destination);
      restore_mode(mount);
    } else if (covers && mount.takes_mode()) {
      take_mode(mount, target.get());
    }
    if (mount.is_completed_late()) set_mount_options(mount.fd.get(), mount.options, mount.destination);
    attach_mount(mount.fd.get(), target.get(), mount.destination);
  }
}

}  // namespace gantry
