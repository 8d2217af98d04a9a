#include "isolation/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "isolation/error.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

// In the order of their numbers, <linux/capability.h>.
constexpr std::string_view kNames[] = {"CAP_CHOWN",
                                       "CAP_DAC_OVERRIDE",
                                       "CAP_DAC_READ_SEARCH",
                                       "CAP_FOWNER",
                                       "CAP_FSETID",
                                       "CAP_KILL",
                                       "CAP_SETGID",
                                       "CAP_SETUID",
                                       "CAP_SETPCAP",
                                       "CAP_LINUX_IMMUTABLE",
                                       "CAP_NET_BIND_SERVICE",
                                       "CAP_NET_BROADCAST",
                                       "CAP_NET_ADMIN",
                                       "CAP_NET_RAW",
                                       "CAP_IPC_LOCK",
                                       "CAP_IPC_OWNER",
                                       "CAP_SYS_MODULE",
                                       "CAP_SYS_RAWIO",
                                       "CAP_SYS_CHROOT",
                                       "CAP_SYS_PTRACE",
                                       "CAP_SYS_PACCT",
                                       "CAP_SYS_ADMIN",
                                       "CAP_SYS_BOOT",
                                       "CAP_SYS_NICE",
                                       "CAP_SYS_RESOURCE",
                                       "CAP_SYS_TIME",
                                       "CAP_SYS_TTY_CONFIG",
                                       "CAP_MKNOD",
                                       "CAP_LEASE",
                                       "CAP_AUDIT_WRITE",
                                       "CAP_AUDIT_CONTROL",
                                       "CAP_SETFCAP",
                                       "CAP_MAC_OVERRIDE",
                                       "CAP_MAC_ADMIN",
                                       "CAP_SYSLOG",
                                       "CAP_WAKE_ALARM",
                                       "CAP_BLOCK_SUSPEND",
                                       "CAP_AUDIT_READ",
                                       "CAP_PERFMON",
                                       "CAP_BPF",
                                       "CAP_CHECKPOINT_RESTORE"};
constexpr unsigned kCount = sizeof kNames / sizeof kNames[0];

uint64_t mask_of(const nlohmann::json& names) {
  uint64_t mask = 0;
  for (const nlohmann::json& name : names) mask |= capability(name.get<std::string>());
  return mask;
}

}  // namespace

uint64_t capability(const std::string& name) {
  for (unsigned number = 0; number < kCount; ++number)
    if (kNames[number] == name) return uint64_t{1} << number;
  throw Error("capability " + name, 0, "unknown");
}

Capabilities parse_capabilities(const nlohmann::json& sets) {
  Capabilities parsed;
  parsed.bounding = mask_of(field(sets, "bounding"));
  parsed.effective = mask_of(field(sets, "effective"));
  parsed.permitted = mask_of(field(sets, "permitted"));
  parsed.inheritable = mask_of(field(sets, "inheritable"));
  parsed.ambient = mask_of(field(sets, "ambient"));
  return parsed;
}

void limit_bounding_set(uint64_t bounding) {
  for (unsigned number = 0; number < 64; ++number) {
    if ((bounding >> number & 1) != 0) continue;
    // EINVAL: the kernel has no more of them. Newer ones than we know are dropped as well.
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) {
      if (errno == EINVAL) return;
      throw Error("drop bounding capability " + std::to_string(number));
    }
  }
}

uint64_t permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  check(::syscall(SYS_capget, &header, data), "get capabilities");
  return data[0].permitted | uint64_t{data[1].permitted} << 32;
}

void set_capabilities(const Capabilities& wanted, uint64_t extra) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int half = 0; half < 2; ++half) {
    data[half].effective = static_cast<uint32_t>((wanted.effective | extra) >> (32 * half));
    data[half].permitted = static_cast<uint32_t>((wanted.permitted | extra) >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(wanted.inheritable >> (32 * half));
  }
  check(::syscall(SYS_capset, &header, data), "set capabilities");
}

void set_ambient(uint64_t ambient) {
  check(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities");
  for (unsigned number = 0; number < kCount; ++number)
    if ((ambient >> number & 1) != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
      throw Error("raise ambient capability " + std::string(kNames[number]));
}

}  // namespace gantry
