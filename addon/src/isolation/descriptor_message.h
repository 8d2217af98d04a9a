#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "isolation/unique_fd.h"

namespace gantry {

/// One message on a unix socket, with a descriptor unless that is -1. System calls only. @return as sendmsg(2)
ssize_t send_message(int socket, iovec* parts, size_t count, int descriptor) noexcept;

/// Receives such a message. @param descriptor receives what came along, close-on-exec @return as recvmsg(2)
ssize_t receive_message(int socket, iovec* parts, size_t count, UniqueFd& descriptor, int flags) noexcept;

}  // namespace gantry
