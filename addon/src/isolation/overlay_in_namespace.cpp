#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "isolation/descriptor_message.h"
#include "isolation/error.h"
#include "isolation/overlay.h"
#include "isolation/system_calls.h"

namespace gantry {
namespace {

/// Everything below runs in a child of a process that may have threads: system calls only, no memory from the heap.
class OptionText {
 public:
  void append(std::string_view text) {
    fits_ = fits_ && size_ + text.size() < sizeof text_;
    if (!fits_) return;
    std::memcpy(text_ + size_, text.data(), text.size());
    size_ += text.size();
    text_[size_] = '\0';
  }

  /// mount(2) takes one page of options, so a directory is named by a descriptor; opened here, because an overlay takes
  /// only what is in the mount namespace it is made in.
  /// @return 0 or an errno
  int append_directory(const char* path) {
    const int fd = ::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    char digits[16];
    char* start = digits + sizeof digits;
    for (int rest = fd; start == digits + sizeof digits || rest > 0; rest /= 10)
      *--start = static_cast<char>('0' + rest % 10);
    append("/proc/self/fd/");
    append(std::string_view(start, static_cast<size_t>(digits + sizeof digits - start)));
    return 0;
  }

  bool fits() const { return fits_; }
  const char* text() const { return text_; }

 private:
  char text_[4096];
  size_t size_ = 0;
  bool fits_ = true;
};

struct Request {
  const std::vector<std::string>& lower;
  const std::string& upper;
  const std::string& work;
  OverlaySync sync;
};

/// @return 0 or an errno
int write_options(const Request& request, OptionText& options) {
  std::string_view before = "lowerdir=";
  for (const std::string& layer : request.lower) {
    options.append(before);
    before = ":";
    if (const int error = options.append_directory(layer.c_str())) return error;
  }
  if (!request.upper.empty()) {
    options.append(",upperdir=");
    if (const int error = options.append_directory(request.upper.c_str())) return error;
    options.append(",workdir=");
    if (const int error = options.append_directory(request.work.c_str())) return error;
  }
  for (const auto& [key, value] : kOverlayOptions) {
    options.append(",");
    options.append(key);
    options.append("=");
    options.append(value);
  }
  if (request.sync == OverlaySync::never) options.append(",volatile");
  return options.fits() ? 0 : E2BIG;
}

struct ChildResult {
  int fd;
  int error;
};

ChildResult mount_in_child(const Request& request) {
  if (::unshare(CLONE_NEWNS) < 0) return {-1, errno};
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return {-1, errno};
  OptionText options;
  if (const int error = write_options(request, options)) return {-1, error};
  // Any directory will do as the mount point: nobody else sees it.
  const char* target = request.lower[0].c_str();
  if (::mount("overlay", target, "overlay", request.upper.empty() ? MS_RDONLY : 0, options.text()) < 0)
    return {-1, errno};
  const int fd = ::open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return {fd, fd < 0 ? errno : 0};
}

}  // namespace

UniqueFd mount_overlay_in_namespace(const std::vector<std::string>& lower, const std::string& upper,
                                    const std::string& work, OverlaySync sync) {
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  clone_args arguments{};  // no exit signal: the caller's SIGCHLD handling does not hear of it
  const pid_t child = check(sys::clone3(arguments), "clone");
  if (child == 0) {
    ChildResult result = mount_in_child({lower, upper, work, sync});
    iovec answer{&result.error, sizeof result.error};
    ::_exit(send_message(theirs.get(), &answer, 1, result.fd) < 0 ? 1 : 0);
  }
  theirs.reset();
  while (::waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  int error = ECHILD;
  iovec answer{&error, sizeof error};
  UniqueFd mount;
  if (receive_message(ours.get(), &answer, 1, mount, 0) <= 0) error = ECHILD;
  if (!mount) throw Error("mount overlay", error);
  return mount;
}

}  // namespace gantry
