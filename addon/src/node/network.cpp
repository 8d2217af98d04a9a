#include "network/network.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "isolation/user_namespace.h"
#include "network/conntrack.h"
#include "network/firewall.h"
#include "network/foreign_chains.h"
#include "network/published_port.h"
#include "node/async.h"
#include "node/init.h"

namespace gantry {
namespace {

std::string text(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::String>().Utf8Value();
}

std::string optional_text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsUndefined() ? "" : value.As<Napi::String>().Utf8Value();
}

bool flag(const Napi::Object& object, const char* name) { return object.Get(name).ToBoolean().Value(); }

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

Napi::Value ensure_parent_link_async(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  const auto vlan = static_cast<uint16_t>(options.Get("vlan").As<Napi::Number>().Uint32Value());
  return run_async(
      info.Env(),
      [name = text(options, "name"), kind = text(options, "kind"), parent = text(options, "parent"), vlan] {
        return ensure_parent_link(name, kind, parent, vlan);
      },
      [](Napi::Env env, bool created) { return Napi::Boolean::New(env, created); });
}

Napi::Value delete_link_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [name = first_text(info)] { delete_link(name); });
}

Napi::Value link_exists_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), link_exists(first_text(info))); });
}

Endpoint endpoint_of(const Napi::Object& request) {
  Endpoint endpoint;
  endpoint.kind = text(request, "kind");
  endpoint.parent = text(request, "parent");
  endpoint.mode = optional_text(request, "mode");
  endpoint.flag = optional_text(request, "flag");
  endpoint.host_interface = optional_text(request, "hostInterface");
  endpoint.container_interface = text(request, "containerInterface");
  endpoint.mac_address = optional_text(request, "macAddress");
  endpoint.mtu = mtu_of(request);
  endpoint.addresses = texts(request, "addresses");
  endpoint.isolated = flag(request, "isolated");
  endpoint.hairpin = flag(request, "hairpin");
  const Napi::Value sysctls = request.Get("sysctls");
  if (!sysctls.IsArray()) return endpoint;
  const auto array = sysctls.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto each = array.Get(i).As<Napi::Object>();
    endpoint.sysctls.push_back({text(each, "family"), text(each, "group"), text(each, "name"), text(each, "value")});
  }
  return endpoint;
}

std::vector<Endpoint> endpoints_of(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<Endpoint> result;
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(endpoint_of(array.Get(i).As<Napi::Object>()));
  return result;
}

std::vector<DefaultRoute> routes_of(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<DefaultRoute> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto each = array.Get(i).As<Napi::Object>();
    const bool v6 = each.Get("family").As<Napi::Number>().Uint32Value() == 6;
    result.push_back({v6 ? AF_INET6 : AF_INET, text(each, "interface"), text(each, "gateway")});
  }
  return result;
}

UniqueFd open_namespace(const std::string& path) {
  return UniqueFd(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
}

Napi::Value create_namespace(const Napi::CallbackInfo& info) {
  const auto to_number = [](Napi::Env env, UniqueFd fd) { return Napi::Number::New(env, fd.release()); };
  if (!info[0].IsObject())
    return run_async(
        info.Env(), [] { return create_network_namespace(); }, to_number);
  const auto owner = info[0].As<Napi::Object>();
  if (owner.Get("pid").IsNumber())
    return run_async(
        info.Env(),
        [pid = static_cast<pid_t>(owner.Get("pid").As<Napi::Number>().Int32Value())] {
          return create_network_namespace(pid);
        },
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

Napi::Value connect_namespace_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(),
                   [path = first_text(info), endpoints = endpoints_of(info[1]), routes = routes_of(info[2])] {
                     connect_namespace(open_namespace(path).get(), endpoints, routes);
                   });
}

Napi::Value disconnect_namespace_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [path = first_text(info), interface = info[1].As<Napi::String>().Utf8Value(),
                                routes = routes_of(info[2])] {
    disconnect_namespace(open_namespace(path).get(), interface, routes);
  });
}

Napi::Value bind_port_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    BoundPort bound = bind_port(first_text(info), info[1].As<Napi::String>().Utf8Value(),
                                static_cast<uint16_t>(info[2].As<Napi::Number>().Uint32Value()));
    auto result = Napi::Object::New(info.Env());
    result.Set("descriptor", Napi::Number::New(info.Env(), bound.socket ? bound.socket.release() : -1));
    result.Set("port", Napi::Number::New(info.Env(), bound.port));
    return result;
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

Napi::Value forget_udp_flows_async(const Napi::CallbackInfo& info) {
  const auto array = info[0].As<Napi::Array>();
  std::vector<std::string> addresses;
  for (uint32_t i = 0; i < array.Length(); ++i) addresses.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return run_async(info.Env(), [addresses] { forget_udp_flows(addresses); });
}

/// Made once, in the network namespace of the daemon.
NftablesConnection& nftables() {
  static NftablesConnection connection;
  return connection;
}

std::vector<FirewallElement> elements_of(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<FirewallElement> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto each = array.Get(i).As<Napi::Object>();
    result.push_back({text(each, "set"), texts(each, "key"), texts(each, "value")});
  }
  return result;
}

NftablesChain chain_of(const Napi::Value& value) {
  const auto chain = value.As<Napi::Object>();
  return {{parse_family(text(chain, "family")), text(chain, "table")}, text(chain, "name")};
}

Napi::Value install_firewall_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [table = first_text(info), elements = elements_of(info[1])] {
    install_firewall(nftables(), table, elements);
  });
}

Napi::Value change_firewall_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [table = first_text(info), removed = elements_of(info[1]),
                                added = elements_of(info[2])] { change_firewall(nftables(), table, removed, added); });
}

Napi::Value remove_firewall_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [table = first_text(info)] { remove_firewall(nftables(), table); });
}

Napi::Value list_chains_async(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return list_chains(nftables()); },
      [](Napi::Env env, const std::vector<NftablesChain>& chains) {
        auto result = Napi::Array::New(env, chains.size());
        for (uint32_t i = 0; i < chains.size(); ++i) {
          auto chain = Napi::Object::New(env);
          chain.Set("family", family_name(chains[i].table.family));
          chain.Set("table", chains[i].table.name);
          chain.Set("name", chains[i].name);
          chain.Set("forwards", Napi::Boolean::New(env, chains[i].forwards));
          chain.Set("drops", Napi::Boolean::New(env, chains[i].drops));
          result.Set(i, chain);
        }
        return result;
      });
}

Napi::Value ensure_admitted_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [chain = chain_of(info[0]), comment = info[1].As<Napi::String>().Utf8Value()] {
    if (admitting_rules(nftables(), chain, comment).empty()) admit_settled(nftables(), chain, comment);
  });
}

Napi::Value withdraw_admission_async(const Napi::CallbackInfo& info) {
  return run_async(info.Env(), [chain = chain_of(info[0]), comment = info[1].As<Napi::String>().Utf8Value()] {
    for (const uint64_t handle : admitting_rules(nftables(), chain, comment)) delete_rule(nftables(), chain, handle);
  });
}

}  // namespace

void init_network(Napi::Env env, Napi::Object exports) {
  exports.Set("ensureBridge", Napi::Function::New(env, ensure_bridge_async, "ensureBridge"));
  exports.Set("ensureParentLink", Napi::Function::New(env, ensure_parent_link_async, "ensureParentLink"));
  exports.Set("deleteLink", Napi::Function::New(env, delete_link_async, "deleteLink"));
  exports.Set("linkExists", Napi::Function::New(env, link_exists_now, "linkExists"));
  exports.Set("userNamespaceOf", Napi::Function::New(env, user_namespace_of_now, "userNamespaceOf"));
  exports.Set("createNetworkNamespace", Napi::Function::New(env, create_namespace, "createNetworkNamespace"));
  exports.Set("connectNamespace", Napi::Function::New(env, connect_namespace_async, "connectNamespace"));
  exports.Set("disconnectNamespace", Napi::Function::New(env, disconnect_namespace_async, "disconnectNamespace"));
  exports.Set("bindPort", Napi::Function::New(env, bind_port_now, "bindPort"));
  exports.Set("interfaceStats", Napi::Function::New(env, interface_stats_async, "interfaceStats"));
  exports.Set("forgetUdpFlows", Napi::Function::New(env, forget_udp_flows_async, "forgetUdpFlows"));
  exports.Set("installFirewall", Napi::Function::New(env, install_firewall_async, "installFirewall"));
  exports.Set("changeFirewall", Napi::Function::New(env, change_firewall_async, "changeFirewall"));
  exports.Set("removeFirewall", Napi::Function::New(env, remove_firewall_async, "removeFirewall"));
  exports.Set("listChains", Napi::Function::New(env, list_chains_async, "listChains"));
  exports.Set("ensureAdmitted", Napi::Function::New(env, ensure_admitted_async, "ensureAdmitted"));
  exports.Set("withdrawAdmission", Napi::Function::New(env, withdraw_admission_async, "withdrawAdmission"));
}

}  // namespace gantry
