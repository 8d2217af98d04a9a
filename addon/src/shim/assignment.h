#pragma once

#include <optional>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry::shim {

/// What a shim is to supervise. It is told by the first message on its control connection (docs/shim-protocol.md), so
/// that a shim can be started before anybody knows.
struct Assignment {
  /// Directory of the bundle.
  std::string bundle;
  /// For what goes wrong.
  UniqueFd log;
  /// Empty for none.
  UniqueFd network_namespace;
  UniqueFd user_namespace;
  /// Of published ports; an empty one holds nothing.
  std::vector<UniqueFd> sockets;
};

/// The same as numbers of descriptors, which stay the caller's. -1 for none.
struct AssignmentSource {
  std::string bundle;
  int log = -1;
  int network_namespace = -1;
  int user_namespace = -1;
  std::vector<int> sockets = {};
};

/// @throws Error (EPIPE) when the shim has ended
void send_assignment(int connection, const AssignmentSource& source);

/// Waits for it. @return nothing when the connection ends before @throws Error
std::optional<Assignment> receive_assignment(int connection);

/// Keeps the numbers that the protocol gives to descriptors of an assignment, with duplicates of any other. @throws
/// Error
void reserve_places(int any);

/// Moves the log and the namespaces to their numbers. @throws Error
void take_places(Assignment& assignment);

}  // namespace gantry::shim
