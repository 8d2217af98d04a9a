#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dns/query.h"

namespace gantry::dns {

/// Puts the answer to a query together: its question, records, and an OPT record if the query had one.
class Reply {
 public:
  /// @param limit the size that the client takes; records beyond it are left out and the answer marked as truncated
  Reply(const Query& query, size_t limit);

  /// A record of the name that was asked for.
  void add(uint16_t type, std::string_view data);
  void truncate() noexcept { truncated_ = true; }
  std::string finish(Rcode code);

 private:
  const Query& query_;
  size_t room_;
  std::string message_;
  uint16_t answers_ = 0;
  bool truncated_ = false;
};

/// An answer without records.
std::string empty_reply(const Query& query, Rcode code);

/// An answer that tells the client to ask again over TCP.
std::string truncated_reply(const Query& query);

}  // namespace gantry::dns
