#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::dns {

/// Reads the uncompressed name at `at` as lower-case text without the final dot; the root is "". Bytes of a label that
/// could be taken for something else in the text ('.', '\', blanks, controls) become \DDD.
/// @param at moved behind the name
/// @returns nothing if the name is malformed or compressed
std::optional<std::string> read_name(std::string_view message, size_t& at);

/// Moves `at` behind a name, compressed or not, without following pointers. @returns false if it is malformed
bool skip_name(std::string_view message, size_t& at) noexcept;

/// Appends the wire form of a name in text. @returns false, with nothing appended, if it is none
bool append_name(std::string_view text, std::string& out);

/// The address that a reverse look-up's name stands for, as inet_ntop writes it; nothing if it is no such name.
std::optional<std::string> reversed_address(std::string_view name);

}  // namespace gantry::dns
