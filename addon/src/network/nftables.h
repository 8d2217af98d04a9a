#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "network/netlink.h"

namespace gantry {

/// Names a table to the kernel.
struct NftablesTable {
  /// NFPROTO_IPV4, NFPROTO_INET and so on.
  uint8_t family = 0;
  std::string name;

  bool operator==(const NftablesTable& other) const { return family == other.family && name == other.name; }
};

/// As nft names it: "ip", "inet".
const char* family_name(uint8_t family);
/// The other way. @throws Error
uint8_t parse_family(const std::string& name);
/// "inet gantry", as nft names it.
std::string to_text(const NftablesTable& table);

/// Changes of nftables that are made all at once or not at all.
class NftablesTransaction {
 public:
  NftablesTransaction();

  /// Starts a request (NFT_MSG_...) about something in a table; its attributes follow, without the one that names the
  /// table, which has the number 1 in all of them.
  NetlinkBatch& request(uint16_t message, uint16_t flags, const NftablesTable& table, std::string operation);
  /// The request that was started last, for further attributes.
  NetlinkBatch& current_request() { return batch_; }

 private:
  friend class NftablesConnection;
  NetlinkBatch batch_;
};

/// Numbers of nftables travel in network byte order.
void add_number(NetlinkBatch& batch, uint16_t type, uint32_t value);
void add_number(NetlinkBatch& batch, uint16_t type, uint64_t value);

/// The attributes on one level of an answer, by type. What is absent, or of another size, is empty or 0.
class NftablesAttributes {
 public:
  NftablesAttributes(const char* data, size_t size);
  explicit NftablesAttributes(std::string_view data) : NftablesAttributes(data.data(), data.size()) {}

  bool has(uint16_t type) const { return data(type).data() != nullptr; }
  std::string_view data(uint16_t type) const { return type < data_.size() ? data_[type] : std::string_view(); }
  /// The attributes inside of one.
  NftablesAttributes inside(uint16_t type) const { return NftablesAttributes(data(type)); }
  uint32_t number32(uint16_t type) const;
  uint64_t number64(uint16_t type) const;
  /// It ends with the attribute or before.
  std::string text(uint16_t type) const;

 private:
  std::array<std::string_view, 32> data_;
};

/// A connection to nftables, in the network namespace of the thread that makes it. It is to be kept, because the kernel
/// lets whoever closes one wait for what was deleted through it. Good for several threads.
///
/// Only what is asked for is read, and never more of it than is needed: what other programs keep in nftables may be in
/// a form that only they know.
class NftablesConnection {
 public:
  NftablesConnection();

  /// @throws Error for the request that was refused
  void commit(NftablesTransaction& transaction);
  using Visit = std::function<void(uint8_t family, const NftablesAttributes& attributes)>;
  /// Lists what a request of this kind (NFT_MSG_GET...) finds, all of one state.
  /// @param begin called before the list begins, also when it has to begin again; adds what limits it
  void list(uint16_t message, uint8_t family, const std::string& operation,
            const std::function<void(NetlinkBatch&)>& begin, const Visit& visit);

 private:
  std::mutex mutex_;
  NetlinkSocket socket_;
};

}  // namespace gantry
