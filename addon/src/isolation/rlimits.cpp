#include "isolation/rlimits.h"

#include <nlohmann/json.hpp>

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

std::vector<ResourceLimit> read_rlimits(const nlohmann::json& rlimits) {
  std::vector<ResourceLimit> limits;
  for (const nlohmann::json& entry : rlimits) {
    const std::string name = entry.at("type").get<std::string>();
    // Clients write -1 for unlimited, which is RLIM_INFINITY in the same 64 bits.
    const auto value = [&entry](const char* key) {
      const nlohmann::json& number = entry.at(key);
      return number.is_number_unsigned() ? number.get<rlim_t>() : static_cast<rlim_t>(number.get<int64_t>());
    };
    limits.push_back({name, resource_named(name), {value("soft"), value("hard")}});
  }
  return limits;
}

void raise_hard_limits(pid_t pid, const std::vector<ResourceLimit>& limits) {
  for (const ResourceLimit& limit : limits) {
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    rlimit current;
    if (::prlimit(pid, resource, nullptr, &current) < 0) throw Error("get rlimit " + limit.name);
    if (limit.value.rlim_max <= current.rlim_max) continue;
    current.rlim_max = limit.value.rlim_max;
    if (::prlimit(pid, resource, &current, nullptr) < 0) throw Error("set rlimit " + limit.name);
  }
}

void set_own_rlimits(const std::vector<ResourceLimit>& limits) {
  for (const ResourceLimit& limit : limits)
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &limit.value) < 0)
      throw Error("set rlimit " + limit.name);
}

}  // namespace gantry
