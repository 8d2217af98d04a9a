#include "isolation/seccomp_profile.h"

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& name, std::string_view problem) {
  throw Error("seccomp profile: " + name, EINVAL, problem);
}

std::string text(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (value.is_null()) return "";
  if (!value.is_string()) refuse(path + name, "not a string");
  return value.get<std::string>();
}

std::vector<std::string> texts(const json& parent, const char* name, const std::string& path) {
  std::vector<std::string> result;
  const json& values = field(parent, name);
  if (!values.is_null() && !values.is_array()) refuse(path + name, "not an array");
  for (const json& value : values) {
    if (!value.is_string()) refuse(path + name, "has an element that is not a string");
    result.push_back(value.get<std::string>());
  }
  return result;
}

std::optional<uint64_t> number(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (value.is_null()) return std::nullopt;
  if (!value.is_number_unsigned()) refuse(path + name, "not a number from 0");
  return value.get<uint64_t>();
}

std::optional<unsigned> errno_field(const json& parent, const char* name, const std::string& path) {
  constexpr unsigned MAX_ERRNO = 4095;
  const std::optional<uint64_t> value = number(parent, name, path);
  if (!value) return std::nullopt;
  if (*value > MAX_ERRNO) refuse(path + name, "no errno is that large");
  return static_cast<unsigned>(*value);
}

SeccompRule::Condition condition(const json& rule, const char* name, const std::string& path) {
  SeccompRule::Condition result;
  const json& value = field(rule, name);
  if (value.is_null()) return result;
  const std::string inner = path + name + ".";
  if (!value.is_object()) refuse(path + name, "not an object");
  result.capabilities = texts(value, "caps", inner);
  result.architectures = texts(value, "arches", inner);
  result.min_kernel = text(value, "minKernel", inner);
  return result;
}

SeccompArgument argument(const json& value, const std::string& path) {
  constexpr uint64_t LAST_ARGUMENT = 5;
  if (!value.is_object()) refuse(path + "args", "has an element that is not an object");
  SeccompArgument result;
  const std::optional<uint64_t> index = number(value, "index", path + "args.");
  if (!index || *index > LAST_ARGUMENT) refuse(path + "args.index", "must be from 0 to 5");
  result.index = static_cast<unsigned>(*index);
  result.value = number(value, "value", path + "args.").value_or(0);
  result.value_two = number(value, "valueTwo", path + "args.").value_or(0);
  result.comparison = text(value, "op", path + "args.");
  return result;
}

SeccompRule rule(const json& value, size_t position) {
  const std::string path = "syscalls[" + std::to_string(position) + "].";
  if (!value.is_object()) refuse("syscalls", "has an element that is not an object");
  SeccompRule result;
  result.names = texts(value, "names", path);
  const std::string name = text(value, "name", path);
  if (!name.empty()) {
    if (!result.names.empty()) refuse(path + "name", "cannot stand beside names");
    result.names = {name};
  }
  if (result.names.empty()) refuse(path + "names", "is missing");
  result.action = text(value, "action", path);
  result.errno_ret = errno_field(value, "errnoRet", path);
  const json& arguments = field(value, "args");
  if (!arguments.is_null() && !arguments.is_array()) refuse(path + "args", "not an array");
  for (const json& each : arguments) result.arguments.push_back(argument(each, path));
  result.includes = condition(value, "includes", path);
  result.excludes = condition(value, "excludes", path);
  return result;
}

void require_supported_flags(const json& root) {
  for (const std::string& flag : texts(root, "flags", "")) {
    // The loader allows speculation anyway, and a single thread has nobody to synchronize with.
    if (flag != "SECCOMP_FILTER_FLAG_SPEC_ALLOW" && flag != "SECCOMP_FILTER_FLAG_TSYNC")
      refuse("flags", flag + " is not supported");
  }
  if (!text(root, "listenerPath", "").empty()) refuse("listenerPath", "is not supported");
}

}  // namespace

SeccompProfile parse_seccomp_profile(const std::string& source) {
  const json root = json::parse(source, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) throw Error("read seccomp profile", EINVAL, "it is not valid JSON");
  if (!root.is_object()) throw Error("read seccomp profile", EINVAL, "it is not a JSON object");
  require_supported_flags(root);

  SeccompProfile result;
  result.default_action = text(root, "defaultAction", "");
  if (result.default_action.empty()) refuse("defaultAction", "is missing");
  result.default_errno_ret = errno_field(root, "defaultErrnoRet", "");
  result.architectures = texts(root, "architectures", "");
  const json& map = field(root, "archMap");
  if (!map.is_null() && !map.is_array()) refuse("archMap", "not an array");
  for (const json& entry : map) {
    if (!entry.is_object()) refuse("archMap", "has an element that is not an object");
    result.architecture_map.push_back(
        {text(entry, "architecture", "archMap."), texts(entry, "subArchitectures", "archMap.")});
  }
  if (!result.architecture_map.empty() && !result.architectures.empty())
    refuse("archMap", "cannot stand beside architectures");
  const json& rules = field(root, "syscalls");
  if (!rules.is_null() && !rules.is_array()) refuse("syscalls", "not an array");
  for (size_t i = 0; i < rules.size(); ++i) result.rules.push_back(rule(rules[i], i));
  return result;
}

}  // namespace gantry
