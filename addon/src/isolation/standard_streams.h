#pragma once

#include <sys/types.h>

#include <initializer_list>

#include "isolation/container.h"
#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// Makes these the fds 0, 1 and 2; -1 stands for the null device. They may be each other's present numbers.
void connect_stdio(const Stdio& stdio);

/// Gives pipes and sockets to root of a user namespace, so that it can pass them on to the container's user. Nothing
/// happens without one.
void give_stdio_to(const Stdio& stdio, const IdMaps& ids);

/// Gives fds 0, 1 and 2 to the user, so that it can open /dev/stdout again. The null device stays as it is.
void give_stdio_to(uid_t uid);

/// Closes every descriptor but 0, 1, 2 and these, which move to 3 and up. Owners of others are left with numbers that
/// are not theirs any more: they must never get to close them.
void close_all_but(std::initializer_list<UniqueFd*> kept);

}  // namespace gantry
