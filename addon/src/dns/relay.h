#pragma once

#include <cstdint>
#include <string_view>

#include "dns/protocol.h"

namespace gantry::dns {

/// Whether `reply` is a well-formed answer to the query that was sent under `id` with this question. A server that
/// could not read the query may leave the question out.
bool answers(std::string_view reply, uint16_t id, std::string_view question) noexcept;

/// The code in the header of an answer.
Rcode reply_code(std::string_view reply) noexcept;

}  // namespace gantry::dns
