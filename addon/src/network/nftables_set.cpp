#include "network/nftables_set.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "isolation/error.h"
#include "network/address.h"

namespace gantry {
namespace {

/// Each field of a concatenation begins at a register.
constexpr size_t REGISTER_SIZE = 4;
/// An attribute holds 64 KiB, and no element of ours more than 100 bytes.
constexpr size_t ELEMENTS_OF_A_MESSAGE = 500;

/// How libnftables keeps with a set what byte order its keys have: type 0 (key byte order), 4 bytes, 1 (the host's) in
/// that order.
constexpr std::array<uint8_t, 6> HOST_BYTE_ORDER = {
    0, 4, __BYTE_ORDER == __LITTLE_ENDIAN ? 1 : 0, 0, 0, __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : 1,
};

size_t size_of(SetField field) {
  switch (field) {
    case SetField::interface:
      return IFNAMSIZ;
    case SetField::ipv4:
      return sizeof(in_addr);
    case SetField::ipv6:
      return sizeof(in6_addr);
    case SetField::protocol:
      return sizeof(uint8_t);
    case SetField::port:
      return sizeof(uint16_t);
  }
  return 0;
}

/// The number that nft gives the type of a field. The kernel only keeps it, for nft to show elements by.
uint32_t type_number(SetField field) {
  switch (field) {
    case SetField::interface:
      return 41;
    case SetField::ipv4:
      return 7;
    case SetField::ipv6:
      return 8;
    case SetField::protocol:
      return 12;
    case SetField::port:
      return 13;
  }
  return 0;
}

uint32_t type_number(const std::vector<SetField>& fields) {
  uint32_t number = 0;
  for (const SetField field : fields) number = number << 6 | type_number(field);
  return number;
}

size_t padded(size_t size) { return (size + REGISTER_SIZE - 1) / REGISTER_SIZE * REGISTER_SIZE; }

uint32_t size_of(const std::vector<SetField>& fields) {
  if (fields.size() == 1) return static_cast<uint32_t>(size_of(fields.front()));
  size_t size = 0;
  for (const SetField field : fields) size += padded(size_of(field));
  return static_cast<uint32_t>(size);
}

[[noreturn]] void refuse(const char* what, const std::string& text) {
  throw Error(std::string("understand ") + what + " '" + text + "'", EINVAL);
}

std::string encode_interface(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find('\0') != std::string::npos) refuse("the interface", name);
  return name;
}

std::string encode_address(const std::string& text, int family) {
  const NetworkAddress address = parse_address(text);
  if (address.family != family || text.find('/') != std::string::npos) refuse("the address", text);
  return {reinterpret_cast<const char*>(address.bytes.data()), address.size()};
}

std::string encode_protocol(const std::string& name) {
  if (name == "tcp") return {static_cast<char>(IPPROTO_TCP)};
  if (name == "udp") return {static_cast<char>(IPPROTO_UDP)};
  if (name == "sctp") return {static_cast<char>(IPPROTO_SCTP)};
  refuse("the protocol", name);
}

std::string encode_port(const std::string& text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) refuse("the port", text);
  return {static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
}

std::string encode(SetField field, const std::string& text) {
  switch (field) {
    case SetField::interface:
      return encode_interface(text);
    case SetField::ipv4:
      return encode_address(text, AF_INET);
    case SetField::ipv6:
      return encode_address(text, AF_INET6);
    case SetField::protocol:
      return encode_protocol(text);
    case SetField::port:
      return encode_port(text);
  }
  return {};
}

std::string encode(const NftablesSet& set, const std::vector<SetField>& fields, const std::vector<std::string>& texts) {
  if (texts.size() != fields.size()) throw Error("fill an element of the nftables set " + set.name, EINVAL);
  std::string result;
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t begin = result.size();
    const size_t size = size_of(fields[i]);
    result.append(encode(fields[i], texts[i])).resize(begin + (fields.size() == 1 ? size : padded(size)));
  }
  return result;
}

void add_data(NetlinkBatch& batch, uint16_t type, const std::string& data) {
  const size_t nested = batch.open(type);
  batch.attribute(NFTA_DATA_VALUE, data.data(), data.size());
  batch.close(nested);
}

}  // namespace

NftablesElement::NftablesElement(const NftablesSet& set, const std::vector<std::string>& key_fields,
                                 const std::vector<std::string>& value_fields)
    : key(encode(set, set.key, key_fields)), value(encode(set, set.value, value_fields)) {}

void add_set(NftablesTransaction& transaction, const NftablesTable& table, const NftablesSet& set, uint32_t id) {
  NetlinkBatch& batch =
      transaction.request(NFT_MSG_NEWSET, NLM_F_CREATE, table, "add nftables set " + to_text(table) + " " + set.name);
  batch.attribute(NFTA_SET_NAME, set.name);
  add_number(batch, NFTA_SET_FLAGS, static_cast<uint32_t>(set.value.empty() ? 0 : NFT_SET_MAP));
  add_number(batch, NFTA_SET_KEY_TYPE, type_number(set.key));
  add_number(batch, NFTA_SET_KEY_LEN, size_of(set.key));
  if (!set.value.empty()) {
    add_number(batch, NFTA_SET_DATA_TYPE, type_number(set.value));
    add_number(batch, NFTA_SET_DATA_LEN, size_of(set.value));
  }
  add_number(batch, NFTA_SET_ID, id);
  // All that nft needs to be told in its own terms: names are in the order of the host's bytes. What is not said here
  // can not be misunderstood by another version of it.
  if (set.key == std::vector<SetField>{SetField::interface})
    batch.attribute(NFTA_SET_USERDATA, HOST_BYTE_ORDER.data(), HOST_BYTE_ORDER.size());
}

void change_elements(NftablesTransaction& transaction, uint16_t message, const NftablesTable& table,
                     const std::string& set, const std::vector<NftablesElement>& elements) {
  const bool adding = message == NFT_MSG_NEWSETELEM;
  const std::string operation =
      (adding ? "add elements to nftables set " : "delete elements of nftables set ") + to_text(table) + " " + set;
  for (size_t begin = 0; begin < elements.size(); begin += ELEMENTS_OF_A_MESSAGE) {
    NetlinkBatch& batch = transaction.request(message, adding ? NLM_F_CREATE : 0, table, operation);
    batch.attribute(NFTA_SET_ELEM_LIST_SET, set);
    const size_t list = batch.open(NFTA_SET_ELEM_LIST_ELEMENTS);
    const size_t end = std::min(elements.size(), begin + ELEMENTS_OF_A_MESSAGE);
    for (size_t i = begin; i < end; ++i) {
      const size_t element = batch.open(NFTA_LIST_ELEM);
      add_data(batch, NFTA_SET_ELEM_KEY, elements[i].key);
      if (adding && !elements[i].value.empty()) add_data(batch, NFTA_SET_ELEM_DATA, elements[i].value);
      batch.close(element);
    }
    batch.close(list);
  }
}

}  // namespace gantry
