#include <cstring>

#include "node/async.h"

namespace gantry {

Napi::Error to_javascript(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("operation", Napi::String::New(env, error.operation()));
  result.Set("errno", Napi::Number::New(env, error.error()));
  const char* name = error.error() != 0 ? strerrorname_np(error.error()) : nullptr;
  result.Set("code", Napi::String::New(env, name != nullptr ? name : ""));
  return result;
}

}  // namespace gantry
