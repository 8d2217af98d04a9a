#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace gantry::archive {

/// How many bytes of a stream one thread has consumed, for others to look at meanwhile.
using ByteCounter = std::shared_ptr<std::atomic<uint64_t>>;

}  // namespace gantry::archive
