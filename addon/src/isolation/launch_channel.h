#pragma once

#include <sys/types.h>

#include "isolation/container.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// What a parent tells the child it prepares.
enum class Permission : char {
  mapped = 'm',    ///< the id maps of the new user namespace are written
  attached = 'a',  ///< the child is in all of its cgroups
  start = 's',     ///< execute
};

/// The child's end of the conversation with the process that launched it.
class ChildChannel {
 public:
  explicit ChildChannel(UniqueFd socket) : socket_(std::move(socket)) {}

  /// Waits for the parent; ends the process when there is none any more.
  void await(Permission expected) const;
  /// Says that all is prepared, and hands over the terminal's master end, if any.
  void ready(int terminal) const;
  /// Says that the process to talk to from now on is another one.
  void hand_over(pid_t pid, int pidfd) const;
  /// Reports why the child gives up.
  void fail(const std::exception& exception) const noexcept;
  UniqueFd& descriptor() { return socket_; }

 private:
  UniqueFd socket_;
};

/// The parent's end.
class ParentChannel {
 public:
  ParentChannel() = default;
  explicit ParentChannel(UniqueFd socket) : socket_(std::move(socket)) {}

  void allow(Permission permission) const;
  enum class Answer { ready, closed };
  /// Waits for the child. `closed`: it has executed, or ended without a word.
  /// @param terminal receives the descriptor that came along
  /// @throws ProcessError as the child reported it; Error ETIMEDOUT after two minutes
  Answer receive(UniqueFd* terminal) const;
  struct Successor {
    pid_t pid = 0;
    UniqueFd pidfd;
  };
  /// Waits for a hand_over; the pid is 0 when the child ended without a word.
  Successor receive_successor() const;
  /// Throws what the child has reported already, if it has.
  void rethrow_report() const;

 private:
  /// @return the pid of a successor, 0 when there is none, -1 when the channel is closed
  pid_t receive(UniqueFd* descriptor, int flags) const;
  UniqueFd socket_;
};

/// Both ends, close-on-exec. @throws Error
void open_launch_channel(UniqueFd& parent, UniqueFd& child);

}  // namespace gantry
