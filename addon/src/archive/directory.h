#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry::archive {

/// openat2 with RESOLVE_IN_ROOT below a directory descriptor; an empty descriptor and errno on failure.
UniqueFd open_beneath(int root, const std::string& path, int flags) noexcept;

/// Owner of directories that are made on the way.
struct Owner {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

/// Opens (O_PATH) the directory at a cleaned path, made component by component where it is absent, mode 0755.
UniqueFd make_directories(int root, const std::string& path, Owner owner);

/// The names in a directory, sorted by bytes, without "." and "..". Takes any descriptor of it but an O_PATH one.
std::vector<std::string> list_directory(int directory);

/// Removes whatever `name` is, with all below it, without following links. A mount point below is an Error (EBUSY).
void remove_entry(int parent, const std::string& name);

}  // namespace gantry::archive
