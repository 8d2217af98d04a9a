#pragma once

namespace gantry {

/// Brings up the loopback interface of the network namespace that this process is in.
/// @throws Error
void bring_up_loopback();

}  // namespace gantry
