#include "network/network.h"

#include "isolation/user_namespace.h"
#include "node/async.h"
#include "node/init.h"

namespace gantry {
namespace {

std::string text(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::String>().Utf8Value();
}

std::vector<std::string> texts(const Napi::Object& object, const char* name) {
  const auto array = object.Get(name).As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return result;
}

/// A map of ids as daemon/runtime/addon.ts has it.
std::vector<IdRange> ranges(const Napi::Object& object, const char* name) {
  const auto array = object.Get(name).As<Napi::Array>();
  std::vector<IdRange> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto range = array.Get(i).As<Napi::Object>();
    const auto number = [&range](const char* key) { return range.Get(key).As<Napi::Number>().Uint32Value(); };
    result.push_back({number("containerId"), number("hostId"), number("size")});
  }
  return result;
}

uint32_t mtu_of(const Napi::Object& object) { return object.Get("mtu").As<Napi::Number>().Uint32Value(); }

std::string first_text(const Napi::CallbackInfo& info) { return info[0].As<Napi::String>().Utf8Value(); }

Napi::Value ensure_bridge_async(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  return run_async(info.Env(), [name = text(options, "name"), addresses = texts(options, "addresses"),
                                mtu = mtu_of(options)] { ensure_bridge(name, addresses, mtu); });
}

Napi::Value delete_link_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [name = first_text(info)] { delete_link(name); });
}

Napi::Value link_exists_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), link_exists(first_text(info))); });
}

Napi::Value create_namespace(const Napi::CallbackInfo& info) {
  const auto to_number = [](Napi::Env env, UniqueFd fd) { return Napi::Number::New(env, fd.release()); };
  if (!info[0].IsObject())
    return run_async(
        info.Env(), [] { return create_network_namespace(); }, to_number);
  const auto owner = info[0].As<Napi::Object>();
  if (owner.Get("pid").IsNumber())
    return run_async(
        info.Env(), [pid = owner.Get("pid").As<Napi::Number>().Int32Value()] { return create_network_namespace(pid); },
        to_number);
  return run_async(
      info.Env(), [ids = IdMaps{ranges(owner, "uid"), ranges(owner, "gid")}] { return create_network_namespace(ids); },
      to_number);
}

Napi::Value user_namespace_of_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), user_namespace_of(info[0].As<Napi::Number>().Int32Value()).release());
  });
}

Napi::Value create_endpoint_async(const Napi::CallbackInfo& info) {
  const auto request = info[1].As<Napi::Object>();
  Endpoint endpoint;
  endpoint.bridge = text(request, "bridge");
  endpoint.host_interface = text(request, "hostInterface");
  endpoint.container_interface = text(request, "containerInterface");
  endpoint.mac_address = text(request, "macAddress");
  endpoint.mtu = mtu_of(request);
  endpoint.addresses = texts(request, "addresses");
  endpoint.gateways = texts(request, "gateways");
  return run_async(info.Env(), [network_namespace = info[0].As<Napi::Number>().Int32Value(), endpoint] {
    create_endpoint(network_namespace, endpoint);
  });
}

void set_direction(Napi::Env env, Napi::Object& object, const std::string& prefix,
                   const InterfaceStats::Direction& from) {
  const auto set = [&](const char* name, uint64_t value) {
    object.Set(prefix + name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("Bytes", from.bytes);
  set("Packets", from.packets);
  set("Errors", from.errors);
  set("Dropped", from.dropped);
}

Napi::Value interface_stats_async(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [pid = info[0].As<Napi::Number>().Int32Value()] { return interface_stats(pid); },
      [](Napi::Env env, const std::vector<InterfaceStats>& all) {
        auto result = Napi::Array::New(env, all.size());
        for (uint32_t i = 0; i < all.size(); ++i) {
          auto entry = Napi::Object::New(env);
          entry.Set("name", all[i].name);
          set_direction(env, entry, "rx", all[i].rx);
          set_direction(env, entry, "tx", all[i].tx);
          result.Set(i, entry);
        }
        return result;
      });
}

Napi::Value apply_nftables_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [script = first_text(info)] { apply_nftables(script); });
}

}  // namespace

void init_network(Napi::Env env, Napi::Object exports) {
  exports.Set("ensureBridge", Napi::Function::New(env, ensure_bridge_async, "ensureBridge"));
  exports.Set("deleteLink", Napi::Function::New(env, delete_link_async, "deleteLink"));
  exports.Set("linkExists", Napi::Function::New(env, link_exists_now, "linkExists"));
  exports.Set("userNamespaceOf", Napi::Function::New(env, user_namespace_of_now, "userNamespaceOf"));
  exports.Set("createNetworkNamespace", Napi::Function::New(env, create_namespace, "createNetworkNamespace"));
  exports.Set("createEndpoint", Napi::Function::New(env, create_endpoint_async, "createEndpoint"));
  exports.Set("interfaceStats", Napi::Function::New(env, interface_stats_async, "interfaceStats"));
  exports.Set("applyNftables", Napi::Function::New(env, apply_nftables_async, "applyNftables"));
}

}  // namespace gantry
