#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "network/nftables.h"

namespace gantry {

/// What a field of a key or a value holds, and how it is written in an element.
enum class SetField {
  /// An interface's name.
  interface,
  /// "10.0.0.2".
  ipv4,
  /// "fd00::2".
  ipv6,
  /// "tcp", "udp" or "sctp".
  protocol,
  /// "8080".
  port,
};

/// A set, or with a value a map. Several fields are a concatenation.
struct NftablesSet {
  std::string name;
  std::vector<SetField> key, value = {};
};

/// A key and its value as the kernel has them. @throws Error for what is not what the fields hold
struct NftablesElement {
  std::string key, value;

  NftablesElement(const NftablesSet& set, const std::vector<std::string>& key_fields,
                  const std::vector<std::string>& value_fields);
  bool operator<(const NftablesElement& other) const { return std::tie(key, value) < std::tie(other.key, other.value); }
};

/// @param id tells the sets of a transaction apart
void add_set(NftablesTransaction& transaction, const NftablesTable& table, const NftablesSet& set, uint32_t id);

/// @param message NFT_MSG_NEWSETELEM, for which it is fine if they are there, or NFT_MSG_DELSETELEM
void change_elements(NftablesTransaction& transaction, uint16_t message, const NftablesTable& table,
                     const std::string& set, const std::vector<NftablesElement>& elements);

}  // namespace gantry
