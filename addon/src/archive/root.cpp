#include "archive/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/directory.h"
#include "archive/overlay_root.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

UniqueFd open_process_root(pid_t pid) {
  if (pid <= 0) throw Error("open the root of process " + std::to_string(pid), ESRCH);
  const UniqueFd process(
      static_cast<int>(check(syscall(SYS_pidfd_open, pid, 0), "open process " + std::to_string(pid))));
  const std::string path = "/proc/" + std::to_string(pid) + "/root";
  UniqueFd root(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + path));
  // Still the same process: its pid was not reused between the two.
  check(syscall(SYS_pidfd_send_signal, process.get(), 0, nullptr, 0), "open " + path);
  return root;
}

}  // namespace

Root::Root(const RootSpec& spec) {
  switch (spec.kind) {
    case RootSpec::Kind::directory:
      own_.reset(check(::open(spec.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + spec.path));
      break;
    case RootSpec::Kind::process:
      own_ = open_process_root(spec.pid);
      break;
    case RootSpec::Kind::overlay:
      overlay_ = std::make_unique<OverlayRoot>(spec);
      break;
  }
  fd_ = overlay_ ? overlay_->fd() : own_.get();
}

Root::~Root() = default;

UniqueFd Root::try_open(const std::string& path, int flags) const noexcept { return open_beneath(fd_, path, flags); }

UniqueFd Root::open(const std::string& path, int flags) const {
  UniqueFd fd = try_open(path, flags);
  if (!fd) throw Error("open " + (path.empty() ? std::string("/") : path));
  return fd;
}

void unshare_file_system_context() {
  check(unshare(CLONE_FS), "unshare file system context");
  umask(0);
}

std::string descriptor_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

UniqueFd reopen(int fd, int flags) {
  return UniqueFd(check(::open(descriptor_path(fd).c_str(), flags | O_CLOEXEC), "open file"));
}

}  // namespace gantry::archive
