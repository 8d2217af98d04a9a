#pragma once

namespace gantry::archive {

/// Lets the calling thread yield to the daemon's event loop when there are fewer processors than work. For good.
void enter_background() noexcept;

}  // namespace gantry::archive
