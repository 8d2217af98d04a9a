#pragma once

namespace gantry::shim {

/// Writes one line, with the time, to shim.log (descriptor 2). Never fails.
[[gnu::format(printf, 1, 2)]] void diagnose(const char* format, ...) noexcept;

}  // namespace gantry::shim
