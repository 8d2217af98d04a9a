#pragma once

#include <sys/stat.h>

#include "archive/tar_entry.h"

namespace gantry::archive {

/// Makes `entry` sparse if the file has holes worth it. Small ones are written as zeros: not every program that reads
/// tar knows sparse members (busybox does not).
void find_segments(int file, const struct stat& status, TarEntry& entry);

}  // namespace gantry::archive
