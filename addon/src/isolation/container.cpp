#include "isolation/container.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "isolation/detached_mount.h"
#include "isolation/devices.h"
#include "isolation/launcher.h"
#include "isolation/loopback.h"
#include "isolation/masked_paths.h"
#include "isolation/mounts.h"
#include "isolation/namespaces.h"
#include "isolation/path_in_root.h"
#include "isolation/process_setup.h"
#include "isolation/rootfs.h"
#include "isolation/spec_check.h"
#include "isolation/spec_field.h"
#include "isolation/standard_streams.h"
#include "isolation/sysctl.h"

namespace gantry {
namespace {

using nlohmann::json;

/// Everything the parent has prepared for the child.
struct Preparation {
  const json& spec;
  Namespaces namespaces;
  std::vector<Mount> mounts;
  UniqueFd own_root;  // when the caller gave none
  int root = -1;
  UniqueFd null_device;
  Execution execution;
  Stdio stdio;

  /// Whether the network belongs to another user namespace. One that is joined comes with the network that is.
  bool is_network_foreign() const {
    return (namespaces.created & CLONE_NEWUSER) != 0 && (namespaces.created & CLONE_NEWNET) == 0;
  }
  bool in_user_namespace() const { return (namespaces.created & CLONE_NEWUSER) != 0 || namespaces.user; }
};

/// The host's null device, which masks files. Verified: a wrong node here would uncover what is to be hidden.
UniqueFd open_null_device() {
  UniqueFd device = clone_mount("/dev/null", false);
  struct stat status;
  if (::fstat(device.get(), &status) < 0) throw Error("stat /dev/null");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
    throw Error("open /dev/null", 0, "not the null device");
  return device;
}

bool needs_dev(const Mount& mount) { return mount.on_dev() && mount.type == "tmpfs" && !mount.options.bind; }

/// Whether a file system shows a namespace that a new user namespace does not own, so that it cannot be mounted in
/// there.
bool is_of_foreign_namespace(const Mount& mount, const Namespaces& namespaces) {
  if (mount.type == "sysfs") return (namespaces.created & CLONE_NEWNET) == 0;
  if (mount.type == "mqueue") return (namespaces.created & CLONE_NEWIPC) == 0;
  // One that is joined belongs to the user namespace that is joined, and what the parent mounts shows its own.
  if (mount.type == "proc") return (namespaces.own() & CLONE_NEWPID) == 0;
  return false;
}

/// For a user namespace: what takes the host's privileges is made before the child gives them up.
void prepare_with_privilege(Preparation& preparation) {
  const json& spec = preparation.spec;
  for (Mount& mount : preparation.mounts) {
    if (mount.fd || !(needs_dev(mount) || is_of_foreign_namespace(mount, preparation.namespaces))) continue;
    make_mount(mount);
    if (needs_dev(mount)) populate_dev(mount.fd.get(), spec, container_ids(spec));
  }
}

/// Sysctls of a network namespace that belongs to the host's user namespace can only be written from there.
void write_network_sysctls(const json& sysctls) {
  UniqueFd proc;
  for (const auto& [name, value] : sysctls.items()) {
    if (!is_network_sysctl(name)) continue;
    if (!proc) proc = make_filesystem("proc", "proc", {});
    write_sysctl(proc.get(), name, value.get<std::string>());
  }
}

void set_names(const json& spec) {
  const std::string hostname = field_or<std::string>(spec, "hostname", "");
  if (!hostname.empty()) check(::sethostname(hostname.data(), hostname.size()), "set hostname");
  const std::string domain = field_or<std::string>(spec, "domainname", "");
  if (!domain.empty()) check(::setdomainname(domain.data(), domain.size()), "set domain name");
}

/// File systems are made while the old root is still there: the kernel lets a user namespace mount proc and sysfs only
/// where it can see one already.
void make_filesystems(Preparation& preparation) {
  for (Mount& mount : preparation.mounts) {
    if (mount.fd) continue;
    make_mount(mount);
    if (needs_dev(mount)) populate_dev(mount.fd.get(), preparation.spec, {});
  }
}

void write_sysctls(const Preparation& preparation) {
  const json& sysctls = field(field(preparation.spec, "linux"), "sysctl");
  if (sysctls.empty()) return;
  const auto mounted = std::find_if(preparation.mounts.begin(), preparation.mounts.end(),
                                    [](const Mount& mount) { return mount.type == "proc"; });
  UniqueFd own;
  if (mounted == preparation.mounts.end()) own = make_filesystem("proc", "proc", {});
  const int proc = own ? own.get() : mounted->fd.get();
  for (const auto& [name, value] : sysctls.items())
    if (!preparation.is_network_foreign() || !is_network_sysctl(name))
      write_sysctl(proc, name, value.get<std::string>());
}

void make_working_directory(int root, const std::string& path) {
  try {
    make_directory_in_root(root, path);
  } catch (const Error& error) {
    if (error.error() != ENOTDIR) throw;
    throw Error("mkdir " + path, ENOTDIR, ErrorText{"Cannot mkdir: " + path + " is not a directory"});
  }
}

void build_root(Preparation& preparation) {
  const json& spec = preparation.spec;
  const json& linux_section = field(spec, "linux");
  const json& process = field(spec, "process");
  make_filesystems(preparation);
  enter_root(preparation.root);
  const UniqueFd root(check(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "open /"));
  attach_mounts(root.get(), preparation.mounts);
  const bool has_dev = std::any_of(preparation.mounts.begin(), preparation.mounts.end(),
                                   [](const Mount& mount) { return mount.on_dev(); });
  make_devices_in_root(root.get(), spec, has_dev);
  write_sysctls(preparation);
  if (field_or<bool>(process, "terminal", false)) {
    preparation.execution.terminal = open_terminal(root.get(), field(process, "consoleSize"));
    bind_console(root.get(), preparation.execution.terminal);
  }
  protect_paths(root.get(), field_or<std::vector<std::string>>(linux_section, "readonlyPaths", {}));
  mask_paths(root.get(), field_or<std::vector<std::string>>(linux_section, "maskedPaths", {}),
             preparation.null_device.get());
  make_working_directory(root.get(), field_or<std::string>(process, "cwd", "/"));
  seal_root(root.get(), field_or<bool>(field(spec, "root"), "readonly", false),
            field_or<std::string>(linux_section, "rootfsPropagation", ""));
}

[[noreturn]] void be_container(Preparation& preparation, ChildChannel& channel, UniqueFd& parent) {
  ::umask(0);
  connect_stdio(preparation.stdio);
  if (preparation.in_user_namespace()) {
    if (!preparation.namespaces.user) channel.await(Permission::mapped);
    become_container_root();
    // Whoever makes it owns its message queues.
    if ((preparation.namespaces.created & CLONE_NEWIPC) != 0) check(::unshare(CLONE_NEWIPC), "unshare ipc namespace");
  }
  set_names(preparation.spec);
  if ((preparation.namespaces.created & CLONE_NEWNET) != 0) bring_up_loopback();
  build_root(preparation);
  preparation.execution.parent = std::move(parent);
  execute_process(preparation.spec, field(preparation.spec, "process"), preparation.execution, channel);
}

Preparation prepare(const json& spec, const LaunchOptions& options) {
  Preparation preparation{spec, plan_namespaces(spec), {}, {}, options.root_mount, {}, {}, {}};
  check_spec(spec, preparation.namespaces.own());
  preparation.mounts = plan_mounts(spec, options.cgroup_path);
  open_sources(preparation.mounts);
  if (preparation.root < 0) {
    preparation.own_root = mount_directory(field_or<std::string>(field(spec, "root"), "path", ""));
    preparation.root = preparation.own_root.get();
  }
  if (!field(field(spec, "linux"), "maskedPaths").empty()) preparation.null_device = open_null_device();
  preparation.stdio = options.stdio;
  give_stdio_to(options.stdio, container_ids(spec));
  preparation.execution.limits = read_rlimits(field(field(spec, "process"), "rlimits"));
  preparation.execution.filter = read_seccomp_filter(options.seccomp_filter);
  preparation.execution.own_cgroup_namespace = (preparation.namespaces.created & CLONE_NEWCGROUP) != 0;
  return preparation;
}

/// The pid namespace first: where it belongs to the user namespace or to the host, this still has the right to it. It
/// is that of children only, so that nobody in there sees this process.
void join_user_namespace(const Namespaces& namespaces) {
  for (const Namespaces::Joined& joined : namespaces.joined)
    if (joined.type == CLONE_NEWPID) check(::setns(joined.fd.get(), CLONE_NEWPID), "join namespace " + joined.path);
  check(::setns(namespaces.user.get(), CLONE_NEWUSER), "join the user namespace");
}

void spawn(Launcher& launcher, Preparation& preparation) {
  NamespaceVisit visit;
  for (const Namespaces::Joined& joined : preparation.namespaces.joined)
    if (!preparation.namespaces.user || joined.type != CLONE_NEWPID)
      visit.enter(joined.type, joined.fd.get(), joined.path);
  if (preparation.in_user_namespace()) {
    prepare_with_privilege(preparation);
    if (preparation.is_network_foreign()) write_network_sysctls(field(field(preparation.spec, "linux"), "sysctl"));
  }
  // A cgroup namespace is rooted where its maker is, and the child is not there yet.
  uint64_t created = preparation.namespaces.created & ~uint64_t{CLONE_NEWCGROUP};
  if (preparation.in_user_namespace()) created &= ~uint64_t{CLONE_NEWIPC};
  const auto body = [&preparation](ChildChannel& channel, UniqueFd& parent) {
    be_container(preparation, channel, parent);
  };
  if (preparation.namespaces.user)
    launcher.spawn_after([&preparation] { join_user_namespace(preparation.namespaces); }, created, body);
  else
    launcher.spawn(created, body);
}

}  // namespace

Process create_container(const json& spec, const LaunchOptions& options) {
  return reading_spec([&] {
    Preparation preparation = prepare(spec, options);
    Launcher launcher(options.cgroup_path);
    spawn(launcher, preparation);
    if ((preparation.namespaces.created & CLONE_NEWUSER) != 0) {
      write_id_maps(launcher.pid(), container_ids(spec));
      launcher.allow(Permission::mapped);
    }
    launcher.hold_mounts();
    launcher.place(preparation.execution.limits, field(field(spec, "process"), "oomScoreAdj"), options.start_at_once);
    return launcher.finish();
  });
}

}  // namespace gantry
