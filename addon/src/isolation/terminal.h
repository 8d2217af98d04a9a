#pragma once

#include <nlohmann/json_fwd.hpp>

#include "isolation/unique_fd.h"

namespace gantry {

/// A pseudo terminal of the container's own devpts.
struct Terminal {
  UniqueFd master;
  UniqueFd slave;
};

/// Opens a terminal in the devpts at /dev/pts of `root`, with `process.consoleSize`.
/// @throws Error when no devpts is mounted there
Terminal open_terminal(int root, const nlohmann::json& console_size);

/// Binds the slave on /dev/console of `root`.
void bind_console(int root, const Terminal& terminal);

/// Makes the slave the controlling terminal of this session and its fds 0, 1 and 2.
void control_terminal(const Terminal& terminal);

}  // namespace gantry
