#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"
#include "shim/bundle.h"

namespace gantry::test {

/// A connected socket that speaks the framed protocol. Everything that waits gives up after ten seconds.
class Peer {
 public:
  explicit Peer(UniqueFd socket) : socket_(std::move(socket)) {}

  void send(const nlohmann::json& message);
  void send_raw(const std::string& bytes);
  nlohmann::json receive();
  /// Reads raw bytes until `count` have come or the peer has closed.
  std::string read(size_t count);
  std::string read_to_end();
  /// Reads until `text` has been seen.
  std::string read_until(const std::string& text);
  void end_input();
  void close() { socket_.reset(); }
  /// True when the other side has closed.
  bool closed();
  int fd() const { return socket_.get(); }

  /// Sends a request and waits for its answer; events that come first are kept for `event`.
  nlohmann::json request(nlohmann::json request);
  /// Waits for an event of this kind.
  nlohmann::json event(const std::string& kind);

 private:
  UniqueFd socket_;
  std::vector<nlohmann::json> events_;
  int next_id_ = 1;
};

/// A running gantry-shim. Its destructor kills it and fails the test when it left something behind.
class ShimProcess {
 public:
  /// @param network_namespace handed to the shim as the container's; -1 for none
  explicit ShimProcess(const Bundle& bundle, int network_namespace = -1);
  ~ShimProcess();

  /// The control connection that the shim was started with.
  Peer control;
  /// A new connection through shim.sock.
  Peer connect() const;
  Peer connect_control() const;
  /// Attaches; fails the test if that is refused.
  Peer attach(bool input, bool output, bool error) const;
  /// Starts an exec of `sh -c script`.
  Peer exec(const std::string& id, const std::string& script, bool input = false) const;
  Peer exec(const std::string& id, const nlohmann::json& process, bool input, bool detach) const;
  /// Waits for the shim to end by itself. @returns its exit status, or -1 after ten seconds
  int wait();
  bool running();
  pid_t pid() const { return pid_; }

 private:
  const Bundle& bundle_;
  pid_t pid_ = -1;
};

/// Separates multiplexed frames. @returns the bytes of one stream
std::string demultiplex(const std::string& frames, int stream);

/// Waits until `condition` holds. @returns false after ten seconds
template <typename Condition>
bool eventually(Condition condition) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    if (condition()) return true;
    usleep(10'000);
  }
  return false;
}

}  // namespace gantry::test
