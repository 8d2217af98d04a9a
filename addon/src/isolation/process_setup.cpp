#include "isolation/process_setup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <nlohmann/json.hpp>

#include "isolation/capabilities.h"
#include "isolation/command_lookup.h"
#include "isolation/path_in_root.h"
#include "isolation/security_label.h"
#include "isolation/spec_field.h"
#include "isolation/standard_streams.h"
#include "isolation/user.h"

namespace gantry {
namespace {

using nlohmann::json;

// What a shell answers for a command that could not be executed; runc ends with it, and Docker shows it.
constexpr int kExecuteFailed = 255;
constexpr int kBadWorkingDirectory = 127;

/// Everything that execution takes, read while descriptors and paths of the host may still be at hand.
struct Program {
  UserIdentity user;
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::string working_directory;
  std::vector<std::string> arguments, environment;
};

UserIdentity identity_of(const json& user, int root) {
  const auto additional = field_or<std::vector<std::string>>(user, "additionalGroups", {});
  if (const json& name = field(user, "username"); !name.is_null())
    return resolve_user(root, name.get<std::string>(), additional);
  UserIdentity identity;
  identity.uid = field_or<uid_t>(user, "uid", 0);
  identity.gid = field_or<gid_t>(user, "gid", 0);
  identity.groups = field_or<std::vector<gid_t>>(user, "additionalGids", {});
  return identity;
}

std::string_view variable(const std::vector<std::string>& environment, std::string_view name) {
  std::string_view value;
  for (const std::string_view entry : environment)
    if (entry.substr(0, name.size()) == name && entry.substr(name.size(), 1) == "=")
      value = entry.substr(name.size() + 1);
  return value;
}

/// The environment with HOME as /etc/passwd has it, unless it is set to something.
std::vector<std::string> environment_of(const json& process, int root, uid_t uid) {
  auto environment = field_or<std::vector<std::string>>(process, "env", {});
  if (!variable(environment, "HOME").empty()) return environment;
  for (auto entry = environment.begin(); entry != environment.end();)
    entry = entry->compare(0, 5, "HOME=") == 0 ? environment.erase(entry) : entry + 1;
  environment.push_back("HOME=" + home_directory(root, uid));
  return environment;
}

Program read_program(const json& process, int root) {
  Program program;
  program.user = identity_of(field(process, "user"), root);
  program.capabilities = parse_capabilities(field(process, "capabilities"));
  // Docker gives a user other than root what execve would leave it anyway. Before that, the rest would open files that
  // the user may not open. With numbers instead of a name, it is the spec's own affair.
  if (!field(field(process, "user"), "username").is_null() && program.user.uid != 0)
    program.capabilities.permitted = program.capabilities.effective = program.capabilities.ambient;
  const uint64_t available = permitted_capabilities();
  for (uint64_t* set : {&program.capabilities.effective, &program.capabilities.permitted,
                        &program.capabilities.inheritable, &program.capabilities.ambient})
    *set &= available;
  program.no_new_privileges = field_or<bool>(process, "noNewPrivileges", false);
  program.working_directory = field_or<std::string>(process, "cwd", "/");
  program.arguments = field_or<std::vector<std::string>>(process, "args", {});
  if (program.arguments.empty()) throw Error("process.args", EINVAL, "no command");
  program.environment = environment_of(process, root, program.user.uid);
  return program;
}

void set_io_priority(const json& priority) {
  if (priority.is_null()) return;
  const std::string name = field_or<std::string>(priority, "class", "");
  const int io_class = name == "IOPRIO_CLASS_RT"   ? IOPRIO_CLASS_RT
                       : name == "IOPRIO_CLASS_BE" ? IOPRIO_CLASS_BE
                       : name == "IOPRIO_CLASS_IDLE"
                           ? IOPRIO_CLASS_IDLE
                           : throw Error("process.ioPriority", 0, "unknown class \"" + name + "\"");
  const int level = field_or<int>(priority, "priority", 0);
  check(::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(io_class, level)), "set I/O priority");
}

void set_personality(const json& wanted) {
  if (wanted.is_null()) return;
  const std::string domain = field_or<std::string>(wanted, "domain", "");
  if (domain != "LINUX" && domain != "LINUX32")
    throw Error("linux.personality", 0, "unknown domain \"" + domain + "\"");
  check(::personality(domain == "LINUX32" ? PER_LINUX32 : PER_LINUX), "set personality");
}

void start_session(const json& process, int root, Execution& execution) {
  check(::setsid(), "setsid");
  if (!field_or<bool>(process, "terminal", false)) return;
  if (!execution.terminal.master) execution.terminal = open_terminal(root, field(process, "consoleSize"));
  control_terminal(execution.terminal);
}

/// @return 0 or an errno
int enter_directory(const std::string& path) {
  const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd directory = root ? try_open_in_root(root.get(), path, O_PATH | O_DIRECTORY) : UniqueFd();
  return directory && ::fchdir(directory.get()) == 0 ? 0 : errno;
}

/// A directory that the root does not lead to has no name: the kernel then puts "(unreachable)" before it.
void check_directory_is_inside() {
  char path[PATH_MAX];
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) {
    if (errno == ERANGE) return;  // too deep to be told, but inside
    throw Error("getcwd");
  }
  if (path[0] != '/') throw Error("working directory", 0, "outside of the container's root");
}

void become(const Program& program, uint64_t extra_capabilities) {
  limit_bounding_set(program.capabilities.bounding);
  check(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities");
  check(::setgroups(program.user.groups.size(), program.user.groups.data()), "setgroups");
  check(::setresgid(program.user.gid, program.user.gid, program.user.gid), "setgid");
  check(::setresuid(program.user.uid, program.user.uid, program.user.uid), "setuid");
  check(::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "keep capabilities");
  set_capabilities(program.capabilities, extra_capabilities);
  set_ambient(program.capabilities.ambient);
}

void reset_signals() {
  struct {
    unsigned long handler, flags, restorer, mask;
  } by_default{};
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    // Not the C library's sigaction, which keeps two signals to itself.
    check(::syscall(SYS_rt_sigaction, number, &by_default, nullptr, sizeof by_default.mask), "reset signal");
  }
  sigset_t none;
  ::sigemptyset(&none);
  check(::sigprocmask(SIG_SETMASK, &none, nullptr), "reset signal mask");
}

/// Any change of identity clears the signal, so this is the last thing before the program.
void die_with_parent(int parent) {
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "set parent death signal");
  pollfd gone{parent, POLLIN, 0};
  if (::poll(&gone, 1, 0) != 0) ::_exit(1);
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// As runc does it, which clients know: the program's own stderr tells, and the container ends.
[[noreturn]] void fail_to_execute(const std::string& path, int error) {
  const std::string message = "exec " + path + ": " + errno_text(error) + "\n";
  (void)!::write(2, message.data(), message.size());
  ::_exit(kExecuteFailed);
}

[[noreturn]] void run(Program& program, Execution& execution, ChildChannel& channel) {
  // As root of the container first, then as the user: only one of them may be allowed in.
  int directory_error = enter_directory(program.working_directory);
  // Without no_new_privs, loading a filter takes CAP_SYS_ADMIN; it goes right after.
  const bool keep_admin = !execution.filter.empty() && !program.no_new_privileges;
  become(program, keep_admin ? capability("CAP_SYS_ADMIN") : 0);
  if (directory_error == EACCES || directory_error == EPERM)
    directory_error = enter_directory(program.working_directory);
  if (directory_error != 0)
    throw ProcessError("chdir", directory_error, kBadWorkingDirectory,
                       ErrorText{"chdir to cwd (\"" + program.working_directory +
                                 "\") set in config.json failed: " + errno_text(directory_error)});
  check_directory_is_inside();
  const std::string path = find_command(program.arguments[0], variable(program.environment, "PATH"));
  const std::vector<char*> arguments = pointers_to(program.arguments);
  const std::vector<char*> environment = pointers_to(program.environment);
  reset_signals();
  die_with_parent(execution.parent.get());

  channel.ready(execution.terminal.master.get());
  execution.terminal.master.reset();
  channel.await(Permission::start);
  set_own_rlimits(execution.limits);
  if (program.no_new_privileges) check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  if (!execution.filter.empty()) load_seccomp_filter(execution.filter);
  // From here on the filter applies to us.
  if (keep_admin) set_capabilities(program.capabilities, 0);
  ::execve(path.c_str(), arguments.data(), environment.data());
  fail_to_execute(path, errno);
}

}  // namespace

void execute_process(const json& spec, const json& process, Execution& execution, ChildChannel& channel) {
  const UniqueFd root(check(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "open /"));
  Program program = read_program(process, root.get());
  start_session(process, root.get(), execution);
  give_stdio_to(program.user.uid);
  set_security_labels(process);
  set_io_priority(field(process, "ioPriority"));
  set_personality(field(field(spec, "linux"), "personality"));
  ::umask(field_or<mode_t>(field(process, "user"), "umask", 022));
  channel.await(Permission::attached);
  if (execution.own_cgroup_namespace) check(::unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");

  // Through any other descriptor, a working directory or a command like /proc/self/fd/7/../.. would lead out of the
  // container (CVE-2024-21626).
  close_all_but({&channel.descriptor(), &execution.parent, &execution.terminal.master});
  try {
    run(program, execution, channel);
  } catch (const std::exception& error) {
    // Here, because owners further up would close numbers that are not theirs any more.
    channel.fail(error);
    ::_exit(1);
  }
}

}  // namespace gantry
