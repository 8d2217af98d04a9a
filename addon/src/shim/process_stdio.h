#pragma once

#include "isolation/container.h"
#include "isolation/unique_fd.h"

namespace gantry::shim {

/// The ends of a process's stdin, stdout and stderr that stay with the shim. Empty where the process has /dev/null.
struct OwnEnds {
  UniqueFd input;
  UniqueFd output;
  UniqueFd error;
};

/// The descriptors of a process that is about to be launched: pipes, or /dev/null. With a terminal there are none.
class ProcessStdio {
 public:
  struct Wanted {
    bool input = false;
    bool output = false;
    bool error = false;
  };

  /// @throws Error
  explicit ProcessStdio(const Wanted& wanted);
  /// For the isolation library; valid until close_process_ends().
  Stdio process_ends() const noexcept { return {input_.get(), output_.get(), error_.get()}; }
  void close_process_ends() noexcept;
  OwnEnds take_own_ends() noexcept { return std::move(own_); }

 private:
  UniqueFd input_, output_, error_;
  OwnEnds own_;
};

/// Two descriptors for reading from and writing to a terminal's master. @throws Error
OwnEnds terminal_ends(UniqueFd master);

}  // namespace gantry::shim
