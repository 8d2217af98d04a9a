#include "node/init.h"

namespace {

Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
  gantry::init_shim(env, exports);
  gantry::init_host(env, exports);
  gantry::init_cgroup(env, exports);
  gantry::init_network(env, exports);
  gantry::init_volume(env, exports);
  gantry::init_files(env, exports);
  gantry::init_archive(env, exports);
  gantry::init_build(env, exports);
  gantry::init_tree_writer(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(gantry, init_addon)
