#include "node/root_argument.h"

#include "isolation/error.h"

namespace gantry {

using archive::Root;
using archive::RootSpec;

std::string text_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

bool flag_of(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean().Value(); }

uint32_t number_of(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Number>().Uint32Value();
}

std::vector<std::string> texts(const Napi::Value& value) {
  std::vector<std::string> result;
  if (!value.IsArray()) return result;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return result;
}

uint64_t size_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()) : 0;
}

archive::IdMap id_map_of(const Napi::Object& options, const char* key) {
  if (!options.Get("idMap").IsObject()) return {};
  return archive::IdMap(ranges_of<archive::IdRange>(options.Get("idMap").As<Napi::Object>().Get(key)));
}

archive::Owner owner_of(const Napi::Value& value) {
  if (!value.IsObject()) return {};
  const auto owner = value.As<Napi::Object>();
  return {number_of(owner, "uid"), number_of(owner, "gid")};
}

namespace {

IdMaps shown_of(const Napi::Value& value) {
  if (!value.IsObject()) return {};
  const auto maps = value.As<Napi::Object>();
  return {ranges_of<IdRange>(maps.Get("uid")), ranges_of<IdRange>(maps.Get("gid"))};
}

std::vector<archive::Bind> binds_of(const Napi::Value& value) {
  std::vector<archive::Bind> result;
  if (!value.IsArray()) return result;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto bind = array.Get(i).As<Napi::Object>();
    result.push_back({text_of(bind, "source"), text_of(bind, "target"), flag_of(bind, "readonly"),
                      text_of(bind, "subpath"), texts(bind.Get("layers")), shown_of(bind.Get("shown"))});
  }
  return result;
}

}  // namespace

RootSpec root_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const std::string kind = text_of(object, "kind");
  RootSpec spec;
  if (kind == "directory") {
    spec.kind = RootSpec::Kind::directory;
    spec.path = text_of(object, "path");
  } else if (kind == "process") {
    spec.kind = RootSpec::Kind::process;
    spec.pid = object.Get("pid").As<Napi::Number>().Int32Value();
  } else if (kind == "overlay") {
    spec.kind = RootSpec::Kind::overlay;
    spec.lower = texts(object.Get("lower"));
    spec.upper = text_of(object, "upper");
    spec.work = text_of(object, "work");
    spec.binds = binds_of(object.Get("binds"));
    spec.owner = owner_of(object.Get("owner"));
    spec.shown = shown_of(object.Get("shown"));
  } else {
    throw Error("open root", EINVAL, "its kind is \"" + kind + '"');
  }
  return spec;
}

const Root& hold(RootHolder& holder, const RootSpec& spec) {
  holder = std::make_unique<Root>(spec);
  return *holder;
}

Napi::Value undefined(Napi::Env env, Done) { return env.Undefined(); }

}  // namespace gantry
