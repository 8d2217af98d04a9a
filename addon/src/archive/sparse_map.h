#pragma once

#include <string_view>

#include "archive/byte_source.h"
#include "archive/pax.h"
#include "archive/tar_entry.h"

namespace gantry::archive {

/// Reads the map of an old GNU sparse member ('S') from its header and the blocks that follow.
void read_gnu_sparse(std::string_view header, ByteSource& source, TarEntry& entry);

/// Reads the map of a sparse member in GNU's pax formats 0.0, 0.1 and 1.0, the last from the front of its data.
/// Does nothing for members that are not sparse.
void read_pax_sparse(const PaxRecords& records, ByteSource& source, TarEntry& entry);

/// Formats segments as the map of pax format 1.0, padded to whole blocks.
std::string format_sparse_map(const std::vector<Segment>& segments);

}  // namespace gantry::archive
