#include "isolation/volume_mount.h"
#include "node/init.h"
#include "node/own_thread.h"

namespace gantry {
namespace {

struct Done {};
Napi::Value undefined(Napi::Env env, Done) { return env.Undefined(); }

/// A server that does not answer may hold a mount up for minutes.
Napi::Value mount_volume_async(const Napi::CallbackInfo& info) {
  const auto list = info[2].As<Napi::Array>();
  std::vector<std::string> options;
  for (uint32_t i = 0; i < list.Length(); ++i) options.push_back(list.Get(i).As<Napi::String>().Utf8Value());
  return run_on_own_thread(
      info.Env(),
      [type = info[0].As<Napi::String>().Utf8Value(), device = info[1].As<Napi::String>().Utf8Value(), options,
       target = info[3].As<Napi::String>().Utf8Value()] {
        mount_volume(type, device, options, target);
        return Done();
      },
      undefined);
}

Napi::Value unmount_volume_async(const Napi::CallbackInfo& info) {
  return run_on_own_thread(
      info.Env(),
      [path = info[0].As<Napi::String>().Utf8Value()] {
        unmount_volume(path);
        return Done();
      },
      undefined);
}

Napi::Value is_mount_point_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), is_mount_point(info[0].As<Napi::String>().Utf8Value()));
  });
}

Napi::Value name_of(Napi::Env env, Beneath found) {
  switch (found) {
    case Beneath::empty_directory:
      return Napi::String::New(env, "empty");
    case Beneath::filled_directory:
      return Napi::String::New(env, "directory");
    case Beneath::other:
      break;
  }
  return Napi::String::New(env, "other");
}

Napi::Value look_beneath_async(const Napi::CallbackInfo& info) {
  return run_on_own_thread(
      info.Env(),
      [path = info[0].As<Napi::String>().Utf8Value(), subpath = info[1].As<Napi::String>().Utf8Value()] {
        return look_beneath(path, subpath);
      },
      name_of);
}

}  // namespace

void init_volume(Napi::Env env, Napi::Object exports) {
  exports.Set("mountVolume", Napi::Function::New(env, mount_volume_async, "mountVolume"));
  exports.Set("unmountVolume", Napi::Function::New(env, unmount_volume_async, "unmountVolume"));
  exports.Set("lookBeneath", Napi::Function::New(env, look_beneath_async, "lookBeneath"));
  exports.Set("isMountPoint", Napi::Function::New(env, is_mount_point_now, "isMountPoint"));
}

}  // namespace gantry
