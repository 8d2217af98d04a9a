#include "dns/answer.h"

#include <algorithm>

#include "dns/name.h"
#include "dns/reply.h"

namespace gantry::dns {
namespace {

/// A client on the same machine may well take 64 KiB in a datagram, but nothing goes wrong when it asks again over TCP.
constexpr size_t kMaxUdpReply = 4096;

Answer reply(std::string message) { return {Answer::Action::kReply, std::move(message)}; }

void add_all(Reply& message, uint16_t type, std::vector<std::string>& addresses, std::minstd_rand& random) {
  std::shuffle(addresses.begin(), addresses.end(), random);
  for (const std::string& address : addresses) message.add(type, address);
}

bool wants(const Query& query, uint16_t type) noexcept { return query.type == type || query.type == kTypeAny; }

Answer answer_query(const Query& query, const Names& names, Policy policy, Transport transport,
                    std::minstd_rand& random) {
  Reply message(query, transport == Transport::kTcp ? kMaxTcpSize : std::min(query.udp_size, kMaxUdpReply));
  if (query.type == kTypePtr) {
    auto address = reversed_address(query.name);
    std::string target;
    if (address && append_name(find_host(names, *address), target) && target.size() > 1) {
      message.add(kTypePtr, target);
      return reply(message.finish(Rcode::kNoError));
    }
  }
  Addresses found = find_addresses(names, query.name);
  if (found.known) {
    if (wants(query, kTypeA)) add_all(message, kTypeA, found.ipv4, random);
    if (wants(query, kTypeAaaa)) add_all(message, kTypeAaaa, found.ipv6, random);
    return reply(message.finish(Rcode::kNoError));
  }
  bool address = query.type == kTypeA || query.type == kTypeAaaa;
  if (policy.search_first && address && query.name.find('.') == std::string::npos)
    return reply(message.finish(Rcode::kNoError));
  return {Answer::Action::kForward, {}};
}

}  // namespace

Answer answer(std::string_view message, Query& query, const Names& names, Policy policy, Transport transport,
              std::minstd_rand& random) {
  switch (read_query(message, query)) {
    case Reading::kDrop:
      return {};
    case Reading::kFormatError:
      return reply(empty_reply(query, Rcode::kFormatError));
    case Reading::kNotImplemented:
      return reply(empty_reply(query, Rcode::kNotImplemented));
    case Reading::kBadVersion:
      return reply(empty_reply(query, Rcode::kBadVersion));
    case Reading::kQuery:
      break;
  }
  return answer_query(query, names, policy, transport, random);
}

}  // namespace gantry::dns
