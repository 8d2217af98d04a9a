#include "shim/published_ports.h"

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "shim/tcp_forwarder.h"
#include "shim/udp_forwarder.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

std::optional<SocketAddress> target_of(const json& port) {
  const auto found = port.find("target");
  if (found == port.end() || found->is_null()) return std::nullopt;
  return socket_address(found->at("address").get<std::string>(), found->at("port").get<uint16_t>());
}

}  // namespace

void PublishedPorts::open(const json& ports) {
  if (ports.size() != sockets_.size())
    throw Error("read shim.json", EINVAL, "there are as many ports as sockets for them");
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const auto protocol = ports[i].at("protocol").get<std::string>();
    std::unique_ptr<PortForwarder> forwarder;
    if (protocol == "udp")
      forwarder = std::make_unique<UdpForwarder>(loop_, std::move(sockets_[i]));
    else
      forwarder = std::make_unique<TcpForwarder>(loop_, std::move(sockets_[i]), protocol == "sctp");
    forwarder->set_target(target_of(ports[i]));
    forwarders_.push_back(std::move(forwarder));
  }
  sockets_.clear();
}

void PublishedPorts::set_targets(const json& ports) {
  if (ports.size() != forwarders_.size()) throw Error("forward", EINVAL, "the container has other ports");
  std::vector<std::optional<SocketAddress>> targets;
  for (const json& port : ports) targets.push_back(target_of(port));
  for (size_t i = 0; i < targets.size(); ++i) forwarders_[i]->set_target(targets[i]);
}

void PublishedPorts::close() noexcept {
  forwarders_.clear();
  sockets_.clear();
}

}  // namespace gantry::shim
