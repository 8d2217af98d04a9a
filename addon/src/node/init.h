#pragma once

#include <napi.h>

namespace gantry {

// Each subject of the N-API face adds its functions to `exports`.
void init_shim(Napi::Env env, Napi::Object exports);
void init_host(Napi::Env env, Napi::Object exports);
void init_cgroup(Napi::Env env, Napi::Object exports);
void init_network(Napi::Env env, Napi::Object exports);
/// mountVolume, unmountVolume and isMountPoint (node/volume.cpp).
void init_volume(Napi::Env env, Napi::Object exports);
void init_files(Napi::Env env, Napi::Object exports);
/// statPath, readFile, pack, unpack and changes (node/archive.cpp).
void init_archive(Napi::Env env, Napi::Object exports);
/// What builds do with files (node/build.cpp).
void init_build(Napi::Env env, Napi::Object exports);
void init_tree_writer(Napi::Env env, Napi::Object exports);

}  // namespace gantry
