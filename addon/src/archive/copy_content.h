#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace gantry::archive {

/// Copies a file's content into a new, empty one, holes as holes. @returns bytes of data
uint64_t copy_content(int from, const struct stat& status, int to, const std::string& name);

}  // namespace gantry::archive
