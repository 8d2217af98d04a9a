#include "isolation/rlimits.h"

#include <sys/resource.h>

#include <nlohmann/json.hpp>
#include <string>

#include "isolation/error.h"

namespace gantry {
namespace {

constexpr std::pair<const char*, int> kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

int resource_named(const std::string& name) {
  for (const auto& [known, resource] : kLimits)
    if (name == known) return resource;
  throw Error("rlimit " + name, 0, "unknown");
}

}  // namespace

void set_rlimits(pid_t pid, const nlohmann::json& rlimits) {
  for (const nlohmann::json& entry : rlimits) {
    const std::string name = entry.at("type").get<std::string>();
    // Clients write -1 for unlimited, which is RLIM_INFINITY in the same 64 bits.
    const auto value = [&entry](const char* key) {
      const nlohmann::json& number = entry.at(key);
      return number.is_number_unsigned() ? number.get<rlim_t>() : static_cast<rlim_t>(number.get<int64_t>());
    };
    const rlimit limit{value("soft"), value("hard")};
    if (::prlimit(pid, static_cast<__rlimit_resource>(resource_named(name)), &limit, nullptr) < 0)
      throw Error("set rlimit " + name);
  }
}

}  // namespace gantry
