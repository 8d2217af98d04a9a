#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

namespace gantry {

/// A compiled seccomp filter; empty for none.
using SeccompFilter = std::vector<sock_filter>;

/// Reads a BPF program as seccomp_compile writes it; an empty path gives no filter. @throws Error
SeccompFilter read_seccomp_filter(const std::string& path);

/// Puts the calling process under the filter. Needs no_new_privs or CAP_SYS_ADMIN in its user namespace.
void load_seccomp_filter(SeccompFilter& filter);

}  // namespace gantry
