#pragma once

#include <string>
#include <string_view>

namespace gantry::archive {

/// The lexically shortest form of a slash-separated path, as an archive's names mean it: no empty, "." or inner ".."
/// components, no leading or trailing slash; "" for the top. What is left of ".." stands in front ("../x").
/// Only gives names one spelling; nothing relies on it for confinement.
std::string clean_path(std::string_view path);

/// Whether a cleaned path points above where it starts.
bool escapes(std::string_view cleaned);

/// "a/b" of "a/b/c", "" of "c".
std::string_view parent_of(std::string_view cleaned);

/// "c" of "a/b/c".
std::string_view base_of(std::string_view cleaned);

/// `directory`/`name`, or just the one that is not empty.
std::string join(std::string_view directory, std::string_view name);

}  // namespace gantry::archive
