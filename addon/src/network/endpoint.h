#pragma once

#include <vector>

#include "network/address.h"
#include "network/netlink.h"
#include "network/network.h"

namespace gantry {

/// An endpoint whose texts have been read, and the steps that bring it about.
struct EndpointPlan {
  explicit EndpointPlan(const Endpoint& source);

  bool has_ipv6() const;
  /// Adds the message that creates the interface, already inside of the namespace and still down.
  void create(NetlinkSocket& host, NetlinkBatch& batch, int network_namespace) const;
  /// Runs inside of the namespace, before the interface goes up: else it would take addresses that nobody asked for.
  void set_sysctls() const;
  /// Adds what gives the interface its addresses and brings it up.
  void configure(NetlinkSocket& inside, NetlinkBatch& batch) const;
  /// Last: nothing reaches the bridge from an endpoint that is not finished.
  void bring_host_end_up(NetlinkSocket& host, NetlinkBatch& batch) const;

  const Endpoint& endpoint;
  std::vector<NetworkAddress> addresses;
};

}  // namespace gantry
