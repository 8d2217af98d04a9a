#pragma once

#include <random>
#include <string>
#include <string_view>

#include "dns/names.h"
#include "dns/query.h"

namespace gantry::dns {

enum class Transport { kUdp, kTcp };

struct Policy {
  /// The container asked for search domains to be tried first: names without a dot are nobody else's business.
  bool search_first = false;
};

/// What to do with a message that has come in.
struct Answer {
  enum class Action { kReply, kForward, kDrop };
  Action action = Action::kDrop;
  /// With kReply.
  std::string message;
};

/// Answers what concerns the container's own networks.
/// @param query filled from `message`, into which it points
Answer answer(std::string_view message, Query& query, const Names& names, Policy policy, Transport transport,
              std::minstd_rand& random);

}  // namespace gantry::dns
