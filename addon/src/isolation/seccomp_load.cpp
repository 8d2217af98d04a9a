#include "isolation/seccomp_load.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

SeccompFilter read_seccomp_filter(const std::string& path) {
  if (path.empty()) return {};
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw Error("open seccomp filter " + path);
  struct stat status;
  if (::fstat(file.get(), &status) < 0) throw Error("stat seccomp filter " + path);
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0 || size % sizeof(sock_filter) != 0 || size / sizeof(sock_filter) > BPF_MAXINSNS)
    throw Error("read seccomp filter " + path, 0, "not a BPF program");
  SeccompFilter filter(size / sizeof(sock_filter));
  if (::read(file.get(), filter.data(), size) != static_cast<ssize_t>(size)) throw Error("read seccomp filter " + path);
  return filter;
}

void load_seccomp_filter(SeccompFilter& filter) {
  sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  // Kernels before 5.16 slow a filtered process down against speculative store bypass unless told not to; runc tells
  // too.
  check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program),
        "load seccomp filter");
}

}  // namespace gantry
