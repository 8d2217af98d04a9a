#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "network/nftables.h"

namespace gantry {

/// How libnftables marks a comment among what a rule has for its users; iptables reads it, too.
constexpr uint8_t NFTABLES_COMMENT = 0;

/// Writes one rule, with nft's words for what it looks at: `iifname().oifname().in("within").go_to("accepted")` is
/// `iifname . oifname @within goto accepted`. What is loaded goes into consecutive registers, until something is done
/// with it. A rule ends with what it does with a packet.
class NftablesRule {
 public:
  /// @param flags NLM_F_APPEND: at the end of the chain; 0: at its beginning
  NftablesRule(NftablesTransaction& transaction, const NftablesTable& table, const std::string& chain,
               uint16_t flags = NLM_F_APPEND);

  /// Only packets of this protocol: `meta nfproto ipv4`. The kernel wants to know before it looks at addresses.
  NftablesRule& ipv4();
  NftablesRule& ipv6();

  NftablesRule& iifname();
  NftablesRule& oifname();
  NftablesRule& mark();
  NftablesRule& l4proto();
  NftablesRule& ip_saddr();
  NftablesRule& ip_daddr();
  NftablesRule& ip6_saddr();
  NftablesRule& ip6_daddr();
  /// The port of a transport header: `th dport`.
  NftablesRule& dport();
  NftablesRule& ct_state();
  NftablesRule& ct_status();
  NftablesRule& fib_daddr_type();
  /// The network of a class A address.
  NftablesRule& ip_daddr_first_byte();

  /// What was loaded is an element of a set, or is not.
  NftablesRule& in(std::string_view set);
  NftablesRule& not_in(std::string_view set);
  /// What was loaded is a key of a map, whose value takes its place.
  NftablesRule& mapped_by(std::string_view map);
  NftablesRule& is(const void* value, size_t size);
  NftablesRule& is(uint32_t value) { return is(&value, sizeof value); }
  /// Some of these bits are set in what was loaded, 4 bytes.
  NftablesRule& has_any(uint32_t bits);
  /// The part of what was loaded that the mask leaves is this.
  NftablesRule& is_masked(uint32_t mask, uint32_t value);

  NftablesRule& set_mark_bits(uint32_t bits);
  NftablesRule& counter();

  void accept();
  void drop();
  void return_();
  void jump(std::string_view chain);
  void go_to(std::string_view chain);
  /// Ends with a comment, as nft and iptables show it.
  void accept(const std::string& comment);
  void masquerade();
  /// To the address that a map has given: `snat ip to`.
  void snat(uint8_t family);
  /// To the address and the port that a map has given: `dnat ip to`.
  void dnat(uint8_t family);

 private:
  template <typename Body>
  void expression(const char* name, Body body);
  NftablesRule& meta(uint32_t key, size_t size);
  NftablesRule& ct(uint32_t key);
  NftablesRule& payload(uint32_t base, uint32_t offset, uint32_t size);
  NftablesRule& protocol(uint8_t family);
  void compare(uint32_t operation, const void* value, size_t size);
  void mask(uint32_t kept, uint32_t toggled);
  void lookup(std::string_view set, uint32_t flags, bool map);
  void nat(uint32_t type, uint8_t family, bool port);
  void verdict(int32_t code, std::string_view chain = {});
  void end();
  /// The register of the next load; what was loaded before is done with.
  void loaded(size_t size);

  NetlinkBatch& batch_;
  size_t expressions_ = 0;
  /// Where the next load goes, in registers of 4 bytes.
  uint32_t next_ = 0;
};

}  // namespace gantry
