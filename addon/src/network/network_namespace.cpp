#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include "isolation/error.h"
#include "isolation/loopback.h"
#include "isolation/user_namespace.h"
#include "network/endpoint.h"
#include "network/link.h"
#include "network/namespace_thread.h"
#include "network/network.h"

namespace gantry {
namespace {

UniqueFd enter_new_namespace() {
  check(::unshare(CLONE_NEWNET), "create a network namespace");
  return UniqueFd(check(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open /proc/thread-self/ns/net"));
}

void enter(int network_namespace) {
  check(::setns(network_namespace, CLONE_NEWNET), "enter the network namespace of a container");
}

rtmsg default_route(int family) {
  rtmsg header = {};
  header.rtm_family = static_cast<uint8_t>(family);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  return header;
}

void add_default_route(NetlinkSocket& inside, NetlinkBatch& batch, const DefaultRoute& route) {
  rtmsg header = default_route(route.family);
  if (route.gateway.empty() && route.family == AF_INET) header.rtm_scope = RT_SCOPE_LINK;
  batch.message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header,
                "add default route via " + (route.gateway.empty() ? route.interface : route.gateway));
  if (!route.gateway.empty()) {
    const NetworkAddress gateway = parse_address(route.gateway);
    batch.attribute(RTA_GATEWAY, gateway.bytes.data(), gateway.size());
  }
  batch.attribute(RTA_OIF, inside.link_index(route.interface));
}

/// There may be none, no table for one, or no such family in this kernel: all as good as success.
void remove_default_routes(NetlinkSocket& inside) {
  for (const int family : {AF_INET, AF_INET6}) {
    rtmsg header = default_route(family);
    header.rtm_protocol = RTPROT_UNSPEC;
    header.rtm_scope = RT_SCOPE_NOWHERE;
    NetlinkBatch batch;
    batch.message(RTM_DELROUTE, 0, header, "remove the default route", ESRCH);
    try {
      inside.run(batch);
    } catch (const Error& error) {
      if (error.error() != ENOENT && error.error() != EAFNOSUPPORT && error.error() != EOPNOTSUPP) throw;
    }
  }
}

/// Brings interfaces about in the namespace that the thread is in.
class Connection {
 public:
  /// @param host a socket of the namespace that the other ends are in
  Connection(NetlinkSocket& host, int network_namespace, const std::vector<Endpoint>& endpoints)
      : host_(host), namespace_(network_namespace) {
    for (const Endpoint& each : endpoints) plans_.emplace_back(each);
  }

  void make(const std::vector<DefaultRoute>& routes) {
    try {
      for (; created_ < plans_.size(); ++created_) {
        NetlinkBatch create;
        plans_[created_].create(host_, create, namespace_);
        host_.run(create);
      }
      configure(routes);
    } catch (...) {
      undo();
      throw;
    }
  }

 private:
  void configure(const std::vector<DefaultRoute>& routes) {
    for (const EndpointPlan& plan : plans_) plan.set_sysctls();
    NetlinkBatch batch;
    for (const EndpointPlan& plan : plans_) plan.configure(inside_, batch);
    inside_.run(batch);
    // Of the links that are up now.
    remove_default_routes(inside_);
    NetlinkBatch routing;
    for (const DefaultRoute& route : routes) add_default_route(inside_, routing, route);
    inside_.run(routing);
    NetlinkBatch ends;
    for (const EndpointPlan& plan : plans_) plan.bring_host_end_up(host_, ends);
    host_.run(ends);
    await_carriers();
    for (const EndpointPlan& plan : plans_) await_addresses(inside_, plan.addresses);
  }

  void await_carriers() {
    for (const EndpointPlan& plan : plans_) {
      if (plan.endpoint.kind != "bridge") continue;
      await_carrier(host_, plan.endpoint.host_interface);
      await_carrier(inside_, plan.endpoint.container_interface);
      await_carrier(host_, plan.endpoint.parent);
    }
  }

  void undo() noexcept {
    for (size_t i = 0; i < created_; ++i) {
      const EndpointPlan& plan = plans_[i];
      const bool veth = plan.endpoint.kind == "bridge";
      NetlinkBatch batch;
      batch.message(RTM_DELLINK, 0, ifinfomsg{}, "undo a network interface", ENODEV);
      batch.attribute(IFLA_IFNAME, veth ? plan.endpoint.host_interface : plan.endpoint.container_interface);
      try {
        (veth ? host_ : inside_).run(batch);
      } catch (const Error&) {
        // It goes with the namespace.
      }
    }
  }

  NetlinkSocket& host_;
  NetlinkSocket inside_;
  int namespace_;
  std::vector<EndpointPlan> plans_;
  size_t created_ = 0;
};

/// One that another user namespace owns.
UniqueFd with_loopback(UniqueFd created) {
  on_own_thread([&] {
    enter(created.get());
    bring_up_loopback();
  });
  return created;
}

}  // namespace

UniqueFd create_network_namespace() {
  UniqueFd result;
  on_own_thread([&] {
    result = enter_new_namespace();
    bring_up_loopback();
  });
  return result;
}

UniqueFd create_network_namespace(const IdMaps& ids) { return with_loopback(create_network_namespace_for(ids)); }

UniqueFd create_network_namespace(pid_t owner) {
  const std::string path = "/proc/" + std::to_string(owner) + "/ns/user";
  const UniqueFd user(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  return with_loopback(create_network_namespace_in(user.get()));
}

void connect_namespace(int network_namespace, const std::vector<Endpoint>& endpoints,
                       const std::vector<DefaultRoute>& routes) {
  on_own_thread([&] {
    NetlinkSocket host;
    enter(network_namespace);
    Connection(host, network_namespace, endpoints).make(routes);
  });
}

void disconnect_namespace(int network_namespace, const std::string& interface,
                          const std::vector<DefaultRoute>& routes) {
  on_own_thread([&] {
    enter(network_namespace);
    delete_link(interface);
    NetlinkSocket inside;
    remove_default_routes(inside);
    NetlinkBatch batch;
    for (const DefaultRoute& route : routes) add_default_route(inside, batch, route);
    inside.run(batch);
  });
}

}  // namespace gantry
