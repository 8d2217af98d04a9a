#include "shim/external_runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <nlohmann/json.hpp>
#include <optional>

#include "isolation/detached_mount.h"
#include "isolation/rootfs.h"
#include "isolation/system_calls.h"
#include "shim/console_socket.h"
#include "shim/diagnostics.h"
#include "shim/orphan_reaper.h"
#include "shim/runtime_bundle.h"
#include "shim/runtime_command.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

constexpr char kPidFile[] = "runtime.pid";
constexpr char kProcessFile[] = "runtime-process.json";
constexpr char kLogFile[] = "runtime.log";
constexpr char kStateDirectory[] = "runtime";

class AdoptedProcess final : public ContainerProcess {
 public:
  /// @param starter starts the container when this is its init; null for a process that runs already
  AdoptedProcess(pid_t pid, UniqueFd pidfd, UniqueFd terminal, ExternalRuntime* starter)
      : pid_(pid), pidfd_(std::move(pidfd)), terminal_(std::move(terminal)), starter_(starter) {}
  pid_t pid() const noexcept override { return pid_; }
  int pidfd() const noexcept override { return pidfd_.get(); }
  UniqueFd take_terminal() noexcept override { return std::move(terminal_); }
  void start() override {
    if (starter_) starter_->start();
  }

 private:
  pid_t pid_;
  UniqueFd pidfd_;
  UniqueFd terminal_;
  ExternalRuntime* starter_;
};

std::string working_directory() {
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path)) throw Error("getcwd");
  return path;
}

bool wants_terminal(const json& process) { return process.is_object() && process.value("terminal", false); }

bool is_null_device(int fd) {
  struct stat status;
  check(fstat(fd, &status), "stat standard stream");
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

/// A null device that nobody else has.
UniqueFd make_null_device() {
  MountOptions options;
  options.set = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID;
  const UniqueFd directory = make_filesystem("tmpfs", "null", options);
  check(mknodat(directory.get(), "null", S_IFCHR | 0666, makedev(1, 3)), "make a null device");
  return UniqueFd(check(openat(directory.get(), "null", O_RDWR | O_CLOEXEC), "open a null device"));
}

pid_t read_pid_file() {
  json pid = read_json_file(kPidFile);
  unlink(kPidFile);
  return pid.get<pid_t>();
}

}  // namespace

ExternalRuntime::ExternalRuntime(const ShimConfig& config) : config_(config), bundle_(working_directory()) {
  OrphanReaper::adopt();
}

std::unique_ptr<ContainerProcess> ExternalRuntime::create(json spec, const Stdio& stdio, bool) {
  UniqueFd root;
  std::string root_path = config_.rootfs.path;
  bool overlay = root_path.empty();
  if (overlay) {
    root = mount_overlay(config_.rootfs.lower, config_.rootfs.upper, config_.rootfs.work,
                         config_.rootfs.is_volatile ? OverlaySync::never : OverlaySync::ordinary, config_.rootfs.shown);
    root_path = bundle_ + "/rootfs";
    mkdir("rootfs", 0700);
  } else {
    root.reset(check(open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + root_path));
  }
  spec["root"]["path"] = root_path;
  spec["linux"]["cgroupsPath"] = config_.cgroup_path;
  bool terminal = wants_terminal(spec["process"]);
  make_standard_spec(spec, root.get());
  write_runtime_bundle(spec);
  try {
    std::optional<ConsoleSocket> console;
    std::vector<std::string> arguments{"--bundle", bundle_ + "/" + kRuntimeBundle, "--pid-file",
                                       bundle_ + "/" + kPidFile};
    if (terminal) {
      console.emplace("console.sock");
      arguments.insert(arguments.end(), {"--console-socket", console->path()});
    }
    arguments.push_back(config_.id);
    call("create", std::move(arguments), stdio, overlay ? root.get() : -1);
    return adopt_process(true, terminal ? console->receive() : UniqueFd());
  } catch (...) {
    remove();
    throw;
  }
}

std::unique_ptr<ContainerProcess> ExternalRuntime::exec(json process, const ContainerProcess& init,
                                                        const Stdio& stdio) {
  const std::string root_path = "/proc/" + std::to_string(init.pid()) + "/root";
  UniqueFd root(check(open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open the container's root"));
  make_standard_process(process, root.get());
  write_file(kProcessFile, process.dump());
  std::optional<ConsoleSocket> console;
  std::vector<std::string> arguments{"--detach", "--process", bundle_ + "/" + kProcessFile, "--pid-file",
                                     bundle_ + "/" + kPidFile};
  bool terminal = wants_terminal(process);
  if (terminal) {
    console.emplace("console.sock");
    arguments.insert(arguments.end(), {"--console-socket", console->path()});
  }
  arguments.push_back(config_.id);
  call("exec", std::move(arguments), stdio);
  unlink(kProcessFile);
  return adopt_process(false, terminal ? console->receive() : UniqueFd());
}

/// The runtime has ended, so that its child is now that of the shim, a subreaper.
std::unique_ptr<ContainerProcess> ExternalRuntime::adopt_process(bool is_init, UniqueFd terminal) {
  pid_t pid = read_pid_file();
  UniqueFd pidfd(check(sys::pidfd_open(pid), "pidfd_open"));
  return std::make_unique<AdoptedProcess>(pid, std::move(pidfd), std::move(terminal), is_init ? this : nullptr);
}

void ExternalRuntime::start() { call("start", {config_.id}, {}); }

void ExternalRuntime::call(const char* subcommand, std::vector<std::string> arguments, const Stdio& stdio,
                           int root_mount) {
  RuntimeCommand command;
  command.arguments = {config_.runtime.path};
  auto& all = command.arguments;
  all.insert(all.end(), config_.runtime.arguments.begin(), config_.runtime.arguments.end());
  all.insert(all.end(), {"--root", bundle_ + "/" + kStateDirectory, "--log", bundle_ + "/" + kLogFile, "--log-format",
                         "json", subcommand});
  all.insert(all.end(), arguments.begin(), arguments.end());
  command.stdio = stdio;
  // A runtime gives its standard streams to root of the container, and some do so with the host's null device.
  const UniqueFd null = make_null_device();
  if (command.stdio.in < 0) command.stdio.in = null.get();
  if (command.stdio.out < 0) command.stdio.out = null.get();
  for (int* stream : {&command.stdio.in, &command.stdio.out, &command.stdio.err})
    if (*stream >= 0 && is_null_device(*stream)) *stream = null.get();
  command.root_mount = root_mount;
  command.mount_point = bundle_ + "/rootfs";
  unlink(kLogFile);
  int status = run(command);
  if (status != 0) throw runtime_error(config_.runtime.path, subcommand, status, kLogFile);
}

void ExternalRuntime::remove() noexcept {
  try {
    call("delete", {"--force", config_.id}, {});
  } catch (const std::exception& error) {
    diagnose("%s", error.what());
  }
  remove_cgroup(config_.cgroup_path);
  remove_runtime_bundle();
  for (const char* file : {kPidFile, kProcessFile, kLogFile}) unlink(file);
  rmdir(kStateDirectory);
}

}  // namespace gantry::shim
