#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "dns/answer.h"

namespace gantry::shim {

/// Where an answer goes: back to an address over UDP, or into a connection that may have gone by then.
struct DnsClient {
  dns::Transport transport = dns::Transport::kUdp;
  sockaddr_in address{};
  uint64_t connection = 0;
};

/// What serves the clients.
class DnsService {
 public:
  /// A message has come in; it is answered later or at once.
  virtual void on_query(const DnsClient& client, std::string_view message) = 0;

 protected:
  ~DnsService() = default;
};

}  // namespace gantry::shim
