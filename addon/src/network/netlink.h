#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry {

/// Builds netlink requests, several of them into one buffer, so that they travel in one system call.
class NetlinkBatch {
 public:
  /// Starts a message. `operation` names it when the kernel refuses it.
  /// @param flags besides NLM_F_REQUEST and NLM_F_ACK
  /// @param tolerated an errno that is as good as success, or 0
  template <typename Header>
  void message(uint16_t type, uint16_t flags, const Header& header, std::string operation, int tolerated = 0) {
    begin(type, flags | NLM_F_ACK, &header, sizeof header, std::move(operation), tolerated);
  }
  /// A message that the kernel answers only when it refuses it.
  template <typename Header>
  void silent_message(uint16_t type, const Header& header, std::string operation) {
    begin(type, 0, &header, sizeof header, std::move(operation), 0);
  }
  void attribute(uint16_t type, const void* data, size_t size);
  void attribute(uint16_t type, std::string_view text);
  void attribute(uint16_t type, uint32_t value) { attribute(type, &value, sizeof value); }
  /// An attribute that holds others: what is added until `close` (with the result of `open`) is inside.
  size_t open(uint16_t type);
  void close(size_t nested);
  /// A bare structure inside an attribute, before its own attributes.
  void raw(const void* data, size_t size);

 private:
  friend class NetlinkSocket;
  struct Request {
    std::string operation;
    int tolerated = 0;
  };
  void begin(uint16_t type, uint16_t flags, const void* header, size_t size, std::string operation, int tolerated);
  void pad();
  nlmsghdr* current() { return reinterpret_cast<nlmsghdr*>(buffer_.data() + start_); }

  std::vector<char> buffer_;
  size_t start_ = 0;
  std::vector<Request> requests_;
};

/// A connection to netlink in the network namespace that the thread is in when it is opened.
class NetlinkSocket {
 public:
  explicit NetlinkSocket(int protocol = NETLINK_ROUTE);

  /// Sends all messages at once and waits for all answers. @throws Error for the first that was refused
  void run(NetlinkBatch& batch);
  /// Sends the messages of one transaction, of which the last but one has to be acknowledged.
  /// @throws Error for the first that was refused: nothing has been done then
  void commit(NetlinkBatch& batch);
  /// Sends one request and hands each message of the answer to `visit`.
  /// @return false for a list that somebody has changed while it was read
  bool query(NetlinkBatch& batch, const std::function<void(const nlmsghdr&)>& visit);

  /// 0 when there is no link of this name.
  uint32_t link_index(const std::string& name) const;
  int descriptor() const { return socket_.get(); }

 private:
  void send(NetlinkBatch& batch);
  /// Hands over answers for as long as `visit` wants more, or while there are any.
  void receive(const std::function<bool(const nlmsghdr&)>& visit, int flags = 0);

  UniqueFd socket_;
  uint32_t sequence_ = 0;
};

/// Calls `visit(type, data, size)` for each attribute.
void for_each_attribute(const void* attributes, size_t size,
                        const std::function<void(uint16_t, const char*, size_t)>& visit);

}  // namespace gantry
