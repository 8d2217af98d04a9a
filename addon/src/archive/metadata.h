#pragma once

#include <sys/types.h>

#include "archive/directory.h"
#include "archive/tar_entry.h"

namespace gantry::archive {

// All of these take O_PATH descriptors as well, and change the object itself, never what a link points to.

void set_owner(int fd, Owner owner);
void set_mode(int fd, mode_t mode);
/// Sets both times. Those before 1970 or after 2262 become 1970, as Docker has it.
void set_time(int fd, Time time);

}  // namespace gantry::archive
