#include "isolation/cgroup.h"

#include <nlohmann/json.hpp>
#include <set>

#include "isolation/cgroup_directory.h"
#include "node/async.h"
#include "node/init.h"

namespace gantry {
namespace {

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

std::string path_of(const Napi::CallbackInfo& info) { return info[0].As<Napi::String>().Utf8Value(); }

Napi::Object cpu_stats(Napi::Env env, const CgroupStats& stats) {
  auto per_cpu = Napi::Array::New(env, stats.cpu.per_cpu.size());
  for (uint32_t i = 0; i < stats.cpu.per_cpu.size(); ++i) per_cpu.Set(i, number(env, stats.cpu.per_cpu[i]));
  auto cpu = Napi::Object::New(env);
  cpu.Set("usageNanoseconds", number(env, stats.cpu.usage));
  cpu.Set("userNanoseconds", number(env, stats.cpu.user));
  cpu.Set("systemNanoseconds", number(env, stats.cpu.system));
  cpu.Set("perCpuNanoseconds", per_cpu);
  cpu.Set("periods", number(env, stats.cpu.periods));
  cpu.Set("throttledPeriods", number(env, stats.cpu.throttled_periods));
  cpu.Set("throttledNanoseconds", number(env, stats.cpu.throttled));
  return cpu;
}

Napi::Object memory_stats(Napi::Env env, const CgroupStats& stats) {
  auto details = Napi::Object::New(env);
  for (const auto& [name, value] : stats.memory.stats) details.Set(name, number(env, value));
  auto memory = Napi::Object::New(env);
  memory.Set("usage", number(env, stats.memory.usage));
  memory.Set("maxUsage", number(env, stats.memory.max_usage));
  memory.Set("limit", number(env, stats.memory.limit));
  memory.Set("failcnt", number(env, stats.memory.failcnt));
  memory.Set("stats", details);
  return memory;
}

Napi::Array block_io_stats(Napi::Env env, const CgroupStats& stats) {
  auto blkio = Napi::Array::New(env, stats.blkio.size());
  for (uint32_t i = 0; i < stats.blkio.size(); ++i) {
    auto entry = Napi::Object::New(env);
    entry.Set("major", number(env, stats.blkio[i].major));
    entry.Set("minor", number(env, stats.blkio[i].minor));
    entry.Set("op", stats.blkio[i].op);
    entry.Set("bytes", number(env, stats.blkio[i].bytes));
    entry.Set("operations", number(env, stats.blkio[i].operations));
    blkio.Set(i, entry);
  }
  return blkio;
}

Napi::Object to_object(Napi::Env env, const CgroupStats& stats) {
  auto pids = Napi::Object::New(env);
  pids.Set("current", number(env, stats.pids.current));
  pids.Set("limit", number(env, stats.pids.limit));
  auto result = Napi::Object::New(env);
  result.Set("cpu", cpu_stats(env, stats));
  result.Set("memory", memory_stats(env, stats));
  result.Set("pids", pids);
  result.Set("blkio", block_io_stats(env, stats));
  return result;
}

Napi::Value freeze(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [path = path_of(info)] { Cgroup(path).freeze(); });
}

Napi::Value thaw(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [path = path_of(info)] { Cgroup(path).thaw(); });
}

Napi::Value update(const Napi::CallbackInfo& info) {
  const auto json = info.Env().Global().Get("JSON").As<Napi::Object>();
  const std::string text = json.Get("stringify").As<Napi::Function>().Call(json, {info[1]}).ToString().Utf8Value();
  return run_async(info.Env(), [path = path_of(info), text] { Cgroup(path).apply(nlohmann::json::parse(text)); });
}

Napi::Value stats(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [path = path_of(info)] { return Cgroup(path).stats(); }, to_object);
}

Napi::Value processes(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [path = path_of(info)] { return Cgroup(path).processes(); },
      [](Napi::Env env, const std::vector<pid_t>& pids) {
        auto result = Napi::Array::New(env, pids.size());
        for (uint32_t i = 0; i < pids.size(); ++i) result.Set(i, Napi::Number::New(env, pids[i]));
        return result;
      });
}

Napi::Value remove(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [path = path_of(info)] {
    const Cgroup cgroup(path);
    cgroup.kill();
    cgroup.remove();
  });
}

Napi::Value children(const Napi::CallbackInfo& info) {
  const auto work = [path = path_of(info)] {
    std::set<std::string> names;
    for (const CgroupHierarchy& hierarchy : CgroupLayout::get().hierarchies())
      for (std::string& name : CgroupDirectory(hierarchy, path).child_names()) names.insert(std::move(name));
    return names;
  };
  return run_async(info.Env(), work, [](Napi::Env env, const std::set<std::string>& names) {
    auto result = Napi::Array::New(env, names.size());
    uint32_t index = 0;
    for (const std::string& name : names) result.Set(index++, name);
    return result;
  });
}

}  // namespace

void init_cgroup(Napi::Env env, Napi::Object exports) {
  exports.Set("cgroupFreeze", Napi::Function::New(env, freeze, "cgroupFreeze"));
  exports.Set("cgroupThaw", Napi::Function::New(env, thaw, "cgroupThaw"));
  exports.Set("cgroupUpdate", Napi::Function::New(env, update, "cgroupUpdate"));
  exports.Set("cgroupStats", Napi::Function::New(env, stats, "cgroupStats"));
  exports.Set("cgroupProcesses", Napi::Function::New(env, processes, "cgroupProcesses"));
  exports.Set("cgroupRemove", Napi::Function::New(env, remove, "cgroupRemove"));
  exports.Set("cgroupChildren", Napi::Function::New(env, children, "cgroupChildren"));
}

}  // namespace gantry
