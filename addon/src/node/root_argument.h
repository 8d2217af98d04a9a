#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "archive/id_map.h"
#include "archive/root.h"
#include "isolation/id_maps.h"

namespace gantry {

// What the file operations of daemon/runtime/addon.ts take as arguments.

std::string text_of(const Napi::Object& object, const char* key);
bool flag_of(const Napi::Object& object, const char* key);
uint32_t number_of(const Napi::Object& object, const char* key);
/// 0 for what is absent.
uint64_t size_of(const Napi::Object& object, const char* key);
std::vector<std::string> texts(const Napi::Value& value);

/// A map of ids as daemon/runtime/addon.ts has it.
template <typename Range>
std::vector<Range> ranges_of(const Napi::Value& value) {
  std::vector<Range> ranges;
  if (!value.IsArray()) return ranges;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto range = array.Get(i).As<Napi::Object>();
    ranges.push_back({number_of(range, "containerId"), number_of(range, "hostId"), number_of(range, "size")});
  }
  return ranges;
}

/// The map `key` ("uid", "gid") of the option `idMap`.
archive::IdMap id_map_of(const Napi::Object& options, const char* key);
archive::Owner owner_of(const Napi::Value& value);
/// @throws Error for a kind that there is not
archive::RootSpec root_of(const Napi::Value& value);

/// Holds a root until its thread ends, which is after the promise is settled: to unmount a writable overlay the kernel
/// writes the whole file system out, and nobody has to wait for that.
using RootHolder = std::unique_ptr<archive::Root>;

const archive::Root& hold(RootHolder& holder, const archive::RootSpec& spec);

/// What a function without a result gives its thread.
struct Done {};
Napi::Value undefined(Napi::Env env, Done);

}  // namespace gantry
