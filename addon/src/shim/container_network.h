#pragma once

#include <string>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// A way to get sockets in the container's network, while this process stays in the host's.
class ContainerNetwork {
 public:
  /// @param network_namespace must outlive this. @throws Error
  explicit ContainerNetwork(int network_namespace);

  /// A non-blocking socket of the container's network. @throws Error
  UniqueFd socket(int family, int type, int protocol = 0) const;
  /// A non-blocking socket of the host's. @throws Error
  static UniqueFd host_socket(int family, int type, int protocol = 0);
  int descriptor() const noexcept { return inside_; }
  /// The number of an interface of the container; 0 if there is none of that name.
  unsigned interface_index(const std::string& name) const;

 private:
  class Visit;

  int inside_;
  UniqueFd home_;
};

}  // namespace gantry::shim
