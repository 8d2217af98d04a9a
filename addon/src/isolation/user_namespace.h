#pragma once

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

// A user namespace without a process of a container in it: whoever holds a descriptor of it, or of a namespace that
// belongs to it, keeps it. A process with threads may call these: what enters a namespace is a short-lived child.

/// A new user namespace with these maps. @throws Error
UniqueFd create_user_namespace(const IdMaps& maps);

/// A new network namespace that belongs to a new user namespace with these maps. @throws Error
UniqueFd create_network_namespace_for(const IdMaps& maps);

/// A new network namespace that belongs to the user namespace `user_namespace`. @throws Error
UniqueFd create_network_namespace_in(int user_namespace);

/// The user namespace that another namespace belongs to. @throws Error
UniqueFd user_namespace_of(int name_space);

}  // namespace gantry
