#include "node/async.h"
#include "node/init.h"
#include "node/shim_process.h"

namespace gantry {
namespace {

Napi::Value load_shim(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    UniqueFd shim = copy_to_sealed_memory(info[0].As<Napi::String>().Utf8Value());
    return Napi::Number::New(info.Env(), shim.release());
  });
}

Napi::Value spawn_shim_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto options = info[0].As<Napi::Object>();
    ShimOptions request;
    request.executable = options.Get("shim").As<Napi::Number>().Int32Value();
    request.bundle = options.Get("bundle").As<Napi::String>().Utf8Value();
    request.log = options.Get("log").As<Napi::String>().Utf8Value();
    const auto descriptor = [&options](const char* key) {
      const Napi::Value value = options.Get(key);
      return value.IsUndefined() ? -1 : value.As<Napi::Number>().Int32Value();
    };
    request.network_namespace = descriptor("networkNamespace");
    request.user_namespace = descriptor("userNamespace");
    const Napi::Value sockets = options.Get("sockets");
    if (sockets.IsArray()) {
      const auto array = sockets.As<Napi::Array>();
      for (uint32_t i = 0; i < array.Length(); ++i)
        request.sockets.push_back(array.Get(i).As<Napi::Number>().Int32Value());
    }

    SpawnedShim shim = spawn_shim(request);
    auto result = Napi::Object::New(info.Env());
    result.Set("pid", Napi::Number::New(info.Env(), shim.pid));
    result.Set("control", Napi::Number::New(info.Env(), shim.control.release()));
    return result;
  });
}

Napi::Value reap(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    reap_child(info[0].As<Napi::Number>().Int32Value());
    return info.Env().Undefined();
  });
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
  exports.Set("spawnShim", Napi::Function::New(env, spawn_shim_now, "spawnShim"));
  exports.Set("reap", Napi::Function::New(env, reap, "reap"));
  exports.Set("closeDescriptor", Napi::Function::New(env, close_descriptor, "closeDescriptor"));
}

}  // namespace gantry
