#include "isolation/seccomp_compile.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "isolation/error.h"
#include "isolation/seccomp_profile.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

using Context = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

[[noreturn]] void refuse(const std::string& field, const std::string& problem) {
  throw Error("seccomp profile: " + field, EINVAL, problem);
}

/// libseccomp answers with a negative errno.
void require(int result, const std::string& operation) {
  if (result < 0) throw Error(operation, -result);
}

uint32_t action_code(const std::string& action, std::optional<unsigned> errno_ret, const std::string& field) {
  const unsigned error = errno_ret.value_or(EPERM);
  if (action == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (action == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(error);
  if (action == "SCMP_ACT_KILL" || action == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (action == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (action == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (action == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(error);
  if (action == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  refuse(field, action.empty() ? "is missing" : action + " is not supported");
}

scmp_compare comparison_code(const std::string& name) {
  static const std::map<std::string, scmp_compare> codes = {
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
  };
  const auto found = codes.find(name);
  if (found == codes.end()) refuse("args.op", name.empty() ? "is missing" : name + " is not known");
  return found->second;
}

/// 0 for an architecture that this libseccomp does not know. "SCMP_ARCH_X86_64" is "x86_64" to it.
uint32_t architecture_token(const std::string& name) {
  constexpr std::string_view PREFIX = "SCMP_ARCH_";
  if (name.compare(0, PREFIX.size(), PREFIX) != 0) refuse("architectures", name + " is not known");
  std::string short_name = name.substr(PREFIX.size());
  for (char& c : short_name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return seccomp_arch_resolve_name(short_name.c_str());
}

/// How Docker's profiles call this machine in `arches`.
std::string machine_name() {
  switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64:
      return "amd64";
    case SCMP_ARCH_X86:
      return "x86";
    case SCMP_ARCH_AARCH64:
      return "arm64";
    case SCMP_ARCH_ARM:
      return "arm";
    case SCMP_ARCH_PPC64LE:
      return "ppc64le";
    case SCMP_ARCH_S390X:
      return "s390x";
    case SCMP_ARCH_RISCV64:
      return "riscv64";
    default:
      return "";
  }
}

bool kernel_is_at_least(const std::string& version) {
  const auto parse = [](const char* text, unsigned& major, unsigned& minor) {
    return std::sscanf(text, "%u.%u", &major, &minor) == 2;
  };
  unsigned wanted_major = 0, wanted_minor = 0, major = 0, minor = 0;
  if (!parse(version.c_str(), wanted_major, wanted_minor)) refuse("minKernel", "\"" + version + "\" is no version");
  utsname system = {};
  check(::uname(&system), "ask for the kernel's version");
  parse(system.release, major, minor);
  return major != wanted_major ? major > wanted_major : minor >= wanted_minor;
}

bool applies(const SeccompRule& rule, const std::vector<std::string>& capabilities) {
  const auto has = [&](const std::string& capability) { return contains(capabilities, capability); };
  const std::string machine = machine_name();
  const auto& [included_capabilities, included_machines, included_kernel] = rule.includes;
  const auto& [excluded_capabilities, excluded_machines, excluded_kernel] = rule.excludes;
  if (!std::all_of(included_capabilities.begin(), included_capabilities.end(), has)) return false;
  if (!included_machines.empty() && !contains(included_machines, machine)) return false;
  if (!included_kernel.empty() && !kernel_is_at_least(included_kernel)) return false;
  if (std::any_of(excluded_capabilities.begin(), excluded_capabilities.end(), has)) return false;
  if (contains(excluded_machines, machine)) return false;
  return excluded_kernel.empty() || !kernel_is_at_least(excluded_kernel);
}

constexpr uint32_t X32_BIT = 0x40000000;

/// Most kernels do not: distributions have it built out or turned off.
bool kernel_speaks_x32() {
#ifdef __x86_64__
  return ::syscall(static_cast<long>(X32_BIT | SYS_getpid)) >= 0;
#else
  return false;
#endif
}

/// Adds the profile's architectures to the native one. @return all of them
std::set<uint32_t> add_architectures(scmp_filter_ctx context, const SeccompProfile& profile, bool leave_out_x32) {
  std::set<uint32_t> result = {seccomp_arch_native()};
  const auto add = [&](const std::string& name) {
    const uint32_t token = architecture_token(name);
    if (token == 0 || (token == SCMP_ARCH_X32 && leave_out_x32) || !result.insert(token).second) return;
    // EDOM: of another byte order, so not an architecture of this machine.
    const int error = seccomp_arch_add(context, token);
    if (error == -EDOM) {
      result.erase(token);
    } else {
      require(error, "add seccomp architecture " + name);
    }
  };
  for (const std::string& name : profile.architectures) add(name);
  for (const auto& [name, others] : profile.architecture_map) {
    if (architecture_token(name) != seccomp_arch_native()) continue;
    for (const std::string& other : others) add(other);
  }
  return result;
}

void add_rule(scmp_filter_ctx context, const SeccompRule& rule, uint32_t action) {
  std::vector<scmp_arg_cmp> comparisons;
  std::set<unsigned> indexes;
  for (const SeccompArgument& argument : rule.arguments) {
    comparisons.push_back({argument.index, comparison_code(argument.comparison), argument.value, argument.value_two});
    indexes.insert(argument.index);
  }
  for (const std::string& name : rule.names) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    const std::string operation = "add seccomp rule for " + name;
    if (indexes.size() == comparisons.size()) {
      require(seccomp_rule_add_array(context, action, number, static_cast<unsigned>(comparisons.size()),
                                     comparisons.data()),
              operation);
      continue;
    }
    // Several conditions on one argument are alternatives, which libseccomp takes as rules of their own.
    for (const scmp_arg_cmp& comparison : comparisons)
      require(seccomp_rule_add_array(context, action, number, 1, &comparison), operation);
  }
}

/// The largest number that a system call named in the profile has on an architecture; -1 for none.
int newest_system_call(const SeccompProfile& profile, uint32_t architecture) {
  int newest = -1;
  for (const SeccompRule& rule : profile.rules)
    for (const std::string& name : rule.names)
      newest = std::max(newest, seccomp_syscall_resolve_name_arch(architecture, name.c_str()));
  return newest;
}

/// Instructions to run before the filter: ENOSYS for calls that are younger than the profile, and for those of x32
/// where nobody answers them anyway.
std::vector<sock_filter> young_calls_stub(const SeccompProfile& profile, const std::set<uint32_t>& architectures) {
  std::vector<sock_filter> stub;
  for (const uint32_t architecture : architectures) {
    const int newest = newest_system_call(profile, architecture);
    // x32 shares the kernel's name for x86_64; its calls have a bit of their own and go on to the filter.
    if (newest < 0 || architecture == SCMP_ARCH_X32) continue;
    const uint8_t to_x32 = architectures.count(SCMP_ARCH_X32) != 0 ? 2 : 1;
    const sock_filter block[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, to_x32, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, static_cast<uint32_t>(newest), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    stub.insert(stub.end(), std::begin(block), std::end(block));
  }
  return stub;
}

std::vector<char> export_program(scmp_filter_ctx context) {
  UniqueFd file(check(::memfd_create("seccomp", MFD_CLOEXEC), "create a memory file"));
  require(seccomp_export_bpf(context, file.get()), "compile seccomp filter");
  struct stat status = {};
  check(::fstat(file.get(), &status), "stat a memory file");
  std::vector<char> program(static_cast<size_t>(status.st_size));
  const ssize_t got = check(::pread(file.get(), program.data(), program.size(), 0), "read seccomp filter");
  program.resize(static_cast<size_t>(got));
  return program;
}

void write_atomically(const std::string& path, const std::vector<char>& content) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd file(check(::mkostemp(temporary.data(), O_CLOEXEC), "create " + temporary));
  try {
    for (size_t done = 0; done < content.size();)
      done += static_cast<size_t>(
          check(::write(file.get(), content.data() + done, content.size() - done), "write " + temporary));
    check(::rename(temporary.c_str(), path.c_str()), "rename " + temporary + " to " + path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

void compile_seccomp(const std::string& source, const std::vector<std::string>& capabilities, const std::string& path) {
  const SeccompProfile profile = parse_seccomp_profile(source);
  const uint32_t default_action = action_code(profile.default_action, profile.default_errno_ret, "defaultAction");
  const Context context(seccomp_init(default_action), seccomp_release);
  if (!context) throw Error("create seccomp filter", ENOMEM);
  const bool refuses_by_errno = (default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  // A third of the filter, which the kernel translates anew for every process that loads it.
  const bool leave_out_x32 = refuses_by_errno && !kernel_speaks_x32();
  const std::set<uint32_t> architectures = add_architectures(context.get(), profile, leave_out_x32);
  // A binary tree in place of a list. Older libseccomp has no such choice.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);

  for (size_t i = 0; i < profile.rules.size(); ++i) {
    const SeccompRule& rule = profile.rules[i];
    if (!applies(rule, capabilities)) continue;
    const uint32_t action = action_code(rule.action, rule.errno_ret, "syscalls[" + std::to_string(i) + "].action");
    // libseccomp refuses rules that say what is done anyway.
    if (action != default_action) add_rule(context.get(), rule, action);
  }

  std::vector<char> program;
  if (refuses_by_errno) {
    const std::vector<sock_filter> stub = young_calls_stub(profile, architectures);
    const char* bytes = reinterpret_cast<const char*>(stub.data());
    program.assign(bytes, bytes + stub.size() * sizeof(sock_filter));
  }
  const std::vector<char> filter = export_program(context.get());
  program.insert(program.end(), filter.begin(), filter.end());
  if (program.size() / sizeof(sock_filter) > BPF_MAXINSNS)
    throw Error("compile seccomp filter", E2BIG, "the profile is too long for the kernel");
  write_atomically(path, program);
}

}  // namespace gantry
