#include "isolation/cgroup_resources.h"

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& name, std::string_view problem) {
  throw Error("linux.resources." + name, EINVAL, problem);
}

const json& object_field(const json& parent, const char* name) {
  const json& value = field(parent, name);
  if (!value.is_null() && !value.is_object()) refuse(name, "not an object");
  return value;
}

const json& array_field(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (!value.is_null() && !value.is_array()) refuse(path, "not an array");
  return value;
}

std::optional<int64_t> integer(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (value.is_null()) return std::nullopt;
  if (!value.is_number_integer()) refuse(path, "not an integer");
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) refuse(path, "too large");
  return value.get<int64_t>();
}

int64_t required(const json& parent, const char* name, const std::string& path, int64_t most) {
  const std::optional<int64_t> value = integer(parent, name, path);
  if (!value) refuse(path, "is missing");
  if (*value < 0 || *value > most) refuse(path, "out of range");
  return *value;
}

std::optional<bool> boolean(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (value.is_null()) return std::nullopt;
  if (!value.is_boolean()) refuse(path, "not true or false");
  return value.get<bool>();
}

std::string text(const json& parent, const char* name, const std::string& path) {
  const json& value = field(parent, name);
  if (value.is_null()) return "";
  if (!value.is_string()) refuse(path, "not a string");
  return value.get<std::string>();
}

void parse_memory(const json& memory, CgroupResources& result) {
  result.memory.limit = integer(memory, "limit", "memory.limit");
  result.memory.reservation = integer(memory, "reservation", "memory.reservation");
  result.memory.swap = integer(memory, "swap", "memory.swap");
  result.memory.swappiness = integer(memory, "swappiness", "memory.swappiness");
  result.memory.disable_oom_killer = boolean(memory, "disableOOMKiller", "memory.disableOOMKiller");
  result.memory.check_before_update = boolean(memory, "checkBeforeUpdate", "memory.checkBeforeUpdate").value_or(false);
  // `kernel` and `kernelTCP` are obsolete: kernels since 5.16 accept and ignore them, so nothing is written.
  // 0 stands for "not limited here", which is what a new cgroup is.
  for (auto* value : {&result.memory.limit, &result.memory.reservation, &result.memory.swap})
    if (*value == 0) value->reset();
}

void parse_cpu(const json& cpu, CgroupResources& result) {
  result.cpu.shares = integer(cpu, "shares", "cpu.shares");
  result.cpu.quota = integer(cpu, "quota", "cpu.quota");
  result.cpu.burst = integer(cpu, "burst", "cpu.burst");
  result.cpu.period = integer(cpu, "period", "cpu.period");
  result.cpu.realtime_runtime = integer(cpu, "realtimeRuntime", "cpu.realtimeRuntime");
  result.cpu.realtime_period = integer(cpu, "realtimePeriod", "cpu.realtimePeriod");
  result.cpu.idle = integer(cpu, "idle", "cpu.idle");
  result.cpu.cpus = text(cpu, "cpus", "cpu.cpus");
  result.cpu.mems = text(cpu, "mems", "cpu.mems");
  for (auto* value : {&result.cpu.shares, &result.cpu.quota, &result.cpu.period, &result.cpu.realtime_runtime,
                      &result.cpu.realtime_period})
    if (*value == 0) value->reset();
}

std::vector<DeviceLimit> device_limits(const json& block_io, const char* name, const char* value_name) {
  std::vector<DeviceLimit> result;
  const std::string path = std::string("blockIO.") + name;
  for (const json& entry : array_field(block_io, name, path)) {
    DeviceLimit limit;
    limit.major = static_cast<uint32_t>(required(entry, "major", path + ".major", UINT32_MAX));
    limit.minor = static_cast<uint32_t>(required(entry, "minor", path + ".minor", UINT32_MAX));
    limit.value = static_cast<uint64_t>(required(entry, value_name, path + "." + value_name, INT64_MAX));
    if (!field(entry, "leafWeight").is_null()) refuse(path + ".leafWeight", "no kernel supports it any more");
    result.push_back(limit);
  }
  return result;
}

void parse_block_io(const json& block_io, CgroupResources& result) {
  result.block_io.weight = integer(block_io, "weight", "blockIO.weight");
  if (result.block_io.weight == 0) result.block_io.weight.reset();
  if (result.block_io.weight && (*result.block_io.weight < 10 || *result.block_io.weight > 1000))
    refuse("blockIO.weight", "must be from 10 to 1000");
  if (integer(block_io, "leafWeight", "blockIO.leafWeight").value_or(0) != 0)
    refuse("blockIO.leafWeight", "no kernel supports it any more");
  result.block_io.weight_device = device_limits(block_io, "weightDevice", "weight");
  result.block_io.read_bps = device_limits(block_io, "throttleReadBpsDevice", "rate");
  result.block_io.write_bps = device_limits(block_io, "throttleWriteBpsDevice", "rate");
  result.block_io.read_iops = device_limits(block_io, "throttleReadIOPSDevice", "rate");
  result.block_io.write_iops = device_limits(block_io, "throttleWriteIOPSDevice", "rate");
}

std::optional<uint32_t> device_number(const json& entry, const char* name) {
  const std::optional<int64_t> value = integer(entry, name, std::string("devices.") + name);
  if (!value || *value == -1) return std::nullopt;
  if (*value < 0 || *value > UINT32_MAX) refuse(std::string("devices.") + name, "out of range");
  return static_cast<uint32_t>(*value);
}

DeviceRule device_rule(const json& entry) {
  DeviceRule rule;
  rule.allow = boolean(entry, "allow", "devices.allow").value_or(false);
  const std::string type = text(entry, "type", "devices.type");
  if (type.empty() || type == "a") {
    rule.type = 'a';
  } else if (type == "c" || type == "u" || type == "b") {
    rule.type = type == "b" ? 'b' : 'c';
  } else {
    refuse("devices.type", "must be a, b, c or u, not " + type);
  }
  rule.major = device_number(entry, "major");
  rule.minor = device_number(entry, "minor");
  const std::string access = text(entry, "access", "devices.access");
  if (access.find_first_not_of("rwm") != std::string::npos) refuse("devices.access", "only r, w and m are known");
  if (!access.empty()) rule.access = access;
  return rule;
}

void parse_hugepages(const json& resources, CgroupResources& result) {
  for (const json& entry : array_field(resources, "hugepageLimits", "hugepageLimits")) {
    const std::string size = text(entry, "pageSize", "hugepageLimits.pageSize");
    const size_t digits = size.find_first_not_of("0123456789");
    const std::string unit = digits == std::string::npos ? "" : size.substr(digits);
    if (digits == 0 || (unit != "KB" && unit != "MB" && unit != "GB"))
      refuse("hugepageLimits.pageSize", "\"" + size + "\" is no page size");
    result.hugepages.emplace_back(size,
                                  static_cast<uint64_t>(required(entry, "limit", "hugepageLimits.limit", INT64_MAX)));
  }
}

void parse_unified(const json& unified, CgroupResources& result) {
  if (unified.is_null()) return;
  for (const auto& [file, value] : unified.items()) {
    // A file of a controller; never a path, and not cgroup.procs and its like.
    const bool plain = file.find('/') == std::string::npos && file.find('.') != std::string::npos && file[0] != '.';
    if (!plain || file.rfind("cgroup.", 0) == 0) refuse("unified." + file, "is not a file of a controller");
    if (!value.is_string()) refuse("unified." + file, "not a string");
    result.unified[file] = value.get<std::string>();
  }
}

}  // namespace

CgroupResources parse_cgroup_resources(const json& resources) {
  CgroupResources result;
  if (resources.is_null()) return result;
  if (!resources.is_object()) throw Error("linux.resources", EINVAL, "not an object");
  parse_memory(object_field(resources, "memory"), result);
  parse_cpu(object_field(resources, "cpu"), result);
  result.pids_limit = integer(object_field(resources, "pids"), "limit", "pids.limit");
  parse_block_io(object_field(resources, "blockIO"), result);
  parse_hugepages(resources, result);
  parse_unified(object_field(resources, "unified"), result);
  const json& devices = array_field(resources, "devices", "devices");
  if (!devices.is_null()) {
    result.devices.emplace();
    for (const json& entry : devices) result.devices->push_back(device_rule(entry));
  }
  for (const char* name : {"network", "rdma"}) {
    const json& value = object_field(resources, name);
    if (!value.is_null() && !value.empty()) refuse(name, "is not supported");
  }
  return result;
}

}  // namespace gantry
