#pragma once

#include <string>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// Where an OCI runtime delivers the master end of the terminal it opened (`--console-socket`).
class ConsoleSocket {
 public:
  /// Listens on `name` in the working directory. @throws Error
  explicit ConsoleSocket(std::string name);
  ~ConsoleSocket();
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;

  /// A path of the socket that fits into a socket address, wherever the bundle is.
  std::string path() const;
  /// The terminal that the runtime has sent before it ended. @throws Error
  UniqueFd receive();

 private:
  std::string name_;
  UniqueFd listener_;
};

}  // namespace gantry::shim
