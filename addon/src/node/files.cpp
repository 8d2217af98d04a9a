#include <fcntl.h>
#include <unistd.h>

#include "archive/placement.h"
#include "archive/tree.h"
#include "isolation/init_layer.h"
#include "isolation/unique_fd.h"
#include "node/async.h"
#include "node/init.h"
#include "node/own_thread.h"

namespace gantry {
namespace {

struct Done {};

Napi::Value disk_usage_async(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return run_on_own_thread(
      info.Env(), [path] { return disk_usage(path); },
      [](Napi::Env env, uint64_t bytes) { return Napi::Number::New(env, static_cast<double>(bytes)); });
}

Napi::Value remove_tree_async(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return run_on_own_thread(
      info.Env(),
      [path] {
        remove_tree(path);
        return Done();
      },
      [](Napi::Env env, Done) { return env.Undefined(); });
}

Napi::Value make_init_layer_async(const Napi::CallbackInfo& info) {
  const auto array = info[0].As<Napi::Array>();
  std::vector<std::string> lower;
  for (uint32_t i = 0; i < array.Length(); ++i) lower.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return run_on_own_thread(
      info.Env(),
      [lower, upper = info[1].As<Napi::String>().Utf8Value(), work = info[2].As<Napi::String>().Utf8Value()] {
        make_init_layer(lower, upper, work);
        return Done();
      },
      [](Napi::Env env, Done) { return env.Undefined(); });
}

Napi::Value spread_subdirectories_sync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    spread_subdirectories(info[0].As<Napi::String>().Utf8Value());
    return info.Env().Undefined();
  });
}

Napi::Value sync_file_system(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return run_on_own_thread(
      info.Env(),
      [path] {
        const UniqueFd fd(check(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path));
        check(syncfs(fd.get()), "sync the file system of " + path);
        return Done();
      },
      [](Napi::Env env, Done) { return env.Undefined(); });
}

}  // namespace

void init_files(Napi::Env env, Napi::Object exports) {
  exports.Set("diskUsage", Napi::Function::New(env, disk_usage_async, "diskUsage"));
  exports.Set("spreadSubdirectories", Napi::Function::New(env, spread_subdirectories_sync, "spreadSubdirectories"));
  exports.Set("syncFileSystem", Napi::Function::New(env, sync_file_system, "syncFileSystem"));
  exports.Set("makeInitLayer", Napi::Function::New(env, make_init_layer_async, "makeInitLayer"));
  exports.Set("removeTree", Napi::Function::New(env, remove_tree_async, "removeTree"));
}

}  // namespace gantry
