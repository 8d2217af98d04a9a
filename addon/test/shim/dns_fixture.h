#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <functional>
#include <memory>
#include <string>

#include "dns/messages.h"
#include "isolation/unique_fd.h"
#include "shim/shim_process.h"

namespace gantry::test {

/// A socket that waits five seconds at most, and throws then.
class DnsSocket {
 public:
  explicit DnsSocket(UniqueFd socket) : socket_(std::move(socket)) {}

  void send(const std::string& bytes) const;
  std::string receive() const;
  /// A datagram, with who sent it.
  std::string receive_from(sockaddr_in& sender) const;
  void send_to(const sockaddr_in& receiver, const std::string& bytes) const;
  DnsSocket accept() const;
  /// A message over TCP, behind its length.
  void send_message(const std::string& message) const;
  std::string receive_message() const;
  /// True once the other side has closed.
  bool at_end() const;
  void end_input() const;
  bool silent_for(int milliseconds) const;
  int fd() const { return socket_.get(); }

 private:
  std::string read(size_t count) const;

  UniqueFd socket_;
};

/// A host and a container, each a network namespace; the test itself is on the host.
class DnsTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void inside(const std::function<void()>& body) const;
  /// In the container, connected to its DNS server.
  DnsSocket client(int type = SOCK_DGRAM, const std::string& address = "127.0.0.11") const;
  /// Bound to port 53 of an address of the host or of the container.
  DnsSocket server(const std::string& address, int type = SOCK_DGRAM) const;
  DnsSocket server_inside(const std::string& address, int type = SOCK_DGRAM) const;

  /// Puts another table in the place of the network's.
  void publish(const std::string& lines);
  void configure(const nlohmann::json& members);
  /// Starts the shim and its container.
  void start();
  /// The same with a shim that cannot have raw sockets, and so has to bind the port itself.
  void start_without_raw_sockets();
  ReplyMessage ask(const QueryMessage& query) const;
  std::vector<std::string> addresses(const std::string& name) const { return ask({name}).texts(); }

  Bundle bundle_;
  std::unique_ptr<ShimProcess> shim_;

 private:
  UniqueFd home_, container_;
};

}  // namespace gantry::test
