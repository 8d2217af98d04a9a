#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "isolation/cgroup.h"
#include "isolation/cgroup_layout.h"
#include "isolation/cgroup_stats.h"
#include "isolation/seccomp_compile.h"
#include "node/async.h"
#include "node/init.h"

namespace gantry {
namespace {

bool has_seccomp() { return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 || errno != EINVAL; }

bool has_apparmor() {
  const UniqueFd file(::open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC));
  char answer = 'N';
  return file && ::read(file.get(), &answer, 1) == 1 && answer == 'Y';
}

Napi::Value host_info(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const CgroupHost& host = cgroup_host();
    auto controllers = Napi::Array::New(env, host.controllers.size());
    for (uint32_t i = 0; i < host.controllers.size(); ++i) controllers.Set(i, host.controllers[i]);
    auto result = Napi::Object::New(env);
    result.Set("cgroupVersion", Napi::Number::New(env, host.version));
    result.Set("controllers", controllers);
    result.Set("cpus", Napi::Number::New(env, static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN))));
    result.Set("memoryBytes", Napi::Number::New(env, static_cast<double>(machine_memory())));
    result.Set("swapAccounting", Napi::Boolean::New(env, host.swap_accounting));
    result.Set("seccomp", Napi::Boolean::New(env, has_seccomp()));
    result.Set("apparmor", Napi::Boolean::New(env, has_apparmor()));
    return result;
  });
}

/// The protocol of sd_listen_fds(3): descriptors from 3 on, if the variables are meant for this process.
Napi::Value listen_descriptors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    constexpr int FIRST = 3;
    auto result = Napi::Array::New(info.Env());
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (pid == nullptr || count == nullptr || std::atoi(pid) != ::getpid()) return result;
    for (int i = 0; i < std::atoi(count); ++i) {
      check(::fcntl(FIRST + i, F_SETFD, FD_CLOEXEC), "mark descriptor " + std::to_string(FIRST + i) + " close-on-exec");
      result.Set(static_cast<uint32_t>(i), Napi::Number::New(info.Env(), FIRST + i));
    }
    return result;
  });
}

/// The option is of the kernel's one cgroup core, whichever hierarchy it comes in with; a hierarchy that nobody sees
/// will do. -1 where the kernel has no such option (before 6.0) or refuses.
int mount_favordynmods() {
  const UniqueFd context(::fsopen("cgroup", FSOPEN_CLOEXEC));
  if (!context) return -1;
  const std::string name = "gantry-" + std::to_string(::getpid());
  const bool configured = ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "none", nullptr, 0) == 0 &&
                          ::fsconfig(context.get(), FSCONFIG_SET_STRING, "name", name.c_str(), 0) == 0 &&
                          ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "favordynmods", nullptr, 0) == 0 &&
                          ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  return configured ? ::fsmount(context.get(), FSMOUNT_CLOEXEC, 0) : -1;
}

Napi::Value hold_favor_dyn_mods(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto& hierarchies = CgroupLayout::get().hierarchies();
    const bool has_v1 = std::any_of(hierarchies.begin(), hierarchies.end(),
                                    [](const CgroupHierarchy& hierarchy) { return !hierarchy.unified; });
    return Napi::Number::New(info.Env(), has_v1 ? mount_favordynmods() : -1);
  });
}

Napi::Value compile_seccomp_async(const Napi::CallbackInfo& info) {
  const auto list = info[1].As<Napi::Array>();
  std::vector<std::string> capabilities;
  for (uint32_t i = 0; i < list.Length(); ++i) capabilities.push_back(list.Get(i).As<Napi::String>().Utf8Value());
  return run_async(info.Env(),
                   [profile = info[0].As<Napi::String>().Utf8Value(), capabilities,
                    path = info[2].As<Napi::String>().Utf8Value()] { compile_seccomp(profile, capabilities, path); });
}

}  // namespace

void init_host(Napi::Env env, Napi::Object exports) {
  exports.Set("hostInfo", Napi::Function::New(env, host_info, "hostInfo"));
  exports.Set("listenDescriptors", Napi::Function::New(env, listen_descriptors, "listenDescriptors"));
  exports.Set("holdFavorDynMods", Napi::Function::New(env, hold_favor_dyn_mods, "holdFavorDynMods"));
  exports.Set("compileSeccomp", Napi::Function::New(env, compile_seccomp_async, "compileSeccomp"));
}

}  // namespace gantry
