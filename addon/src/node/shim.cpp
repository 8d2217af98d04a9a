#include <fcntl.h>

#include "isolation/error.h"
#include "node/async.h"
#include "node/init.h"
#include "node/shim_process.h"
#include "shim/assignment.h"

namespace gantry {
namespace {

Napi::Value load_shim(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    UniqueFd shim = copy_to_sealed_memory(info[0].As<Napi::String>().Utf8Value());
    return Napi::Number::New(info.Env(), shim.release());
  });
}

Napi::Value spawn_shim_async(const Napi::CallbackInfo& info) {
  const auto to_object = [](Napi::Env env, SpawnedShim shim) {
    auto result = Napi::Object::New(env);
    result.Set("pid", Napi::Number::New(env, shim.pid));
    result.Set("control", Napi::Number::New(env, shim.control.release()));
    return result;
  };
  return run_async(
      info.Env(),
      [executable = info[0].As<Napi::Number>().Int32Value(), length = info[1].As<Napi::Number>().Uint32Value()] {
        return spawn_shim(executable, length);
      },
      to_object);
}

Napi::Value assign_shim_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto options = info[1].As<Napi::Object>();
    shim::AssignmentSource source;
    source.bundle = options.Get("bundle").As<Napi::String>().Utf8Value();
    const std::string path = options.Get("log").As<Napi::String>().Utf8Value();
    const UniqueFd log(check(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), "open " + path));
    source.log = log.get();
    const auto descriptor = [&options](const char* key) {
      const Napi::Value value = options.Get(key);
      return value.IsUndefined() ? -1 : value.As<Napi::Number>().Int32Value();
    };
    source.network_namespace = descriptor("networkNamespace");
    source.user_namespace = descriptor("userNamespace");
    const auto sockets = options.Get("sockets").As<Napi::Array>();
    for (uint32_t i = 0; i < sockets.Length(); ++i)
      source.sockets.push_back(sockets.Get(i).As<Napi::Number>().Int32Value());
    shim::send_assignment(info[0].As<Napi::Number>().Int32Value(), source);
    return info.Env().Undefined();
  });
}

Napi::Value reap(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), reap_child(info[0].As<Napi::Number>().Int32Value())); });
}

Napi::Value close_descriptor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int fd = info[0].As<Napi::Number>().Int32Value();
    check(::close(fd), "close descriptor " + std::to_string(fd));
    return info.Env().Undefined();
  });
}

}  // namespace

void init_shim(Napi::Env env, Napi::Object exports) {
  exports.Set("loadShim", Napi::Function::New(env, load_shim, "loadShim"));
  exports.Set("spawnShim", Napi::Function::New(env, spawn_shim_async, "spawnShim"));
  exports.Set("assignShim", Napi::Function::New(env, assign_shim_now, "assignShim"));
  exports.Set("reap", Napi::Function::New(env, reap, "reap"));
  exports.Set("closeDescriptor", Napi::Function::New(env, close_descriptor, "closeDescriptor"));
}

}  // namespace gantry
