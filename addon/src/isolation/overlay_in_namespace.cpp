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
  int user_namespace;
  /// Of upper and work.
  std::string directory;
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

/// Covers a directory with a mount of itself that maps ids. @return 0 or an errno
int map_directory(const char* path, int user_namespace) {
  const int mount = ::open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (mount < 0) return errno;
  mount_attr attributes{MOUNT_ATTR_IDMAP, 0, 0, static_cast<uint64_t>(user_namespace)};
  if (::mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) return errno;
  return ::move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? errno : 0;
}

int map_directories(const Request& request) {
  if (request.user_namespace < 0) return 0;
  for (const std::string& layer : request.lower)
    if (const int error = map_directory(layer.c_str(), request.user_namespace)) return error;
  return request.upper.empty() ? 0 : map_directory(request.directory.c_str(), request.user_namespace);
}

ChildResult mount_in_child(const Request& request) {
  if (::unshare(CLONE_NEWNS) < 0) return {-1, errno};
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return {-1, errno};
  if (const int error = map_directories(request)) return {-1, error};
  OptionText options;
  if (const int error = write_options(request, options)) return {-1, error};
  // Any directory will do as the mount point: nobody else sees it.
  const char* target = request.lower[0].c_str();
  if (::mount("overlay", target, "overlay", request.upper.empty() ? MS_RDONLY : 0, options.text()) < 0)
    return {-1, errno};
  const int fd = ::open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return {fd, fd < 0 ? errno : 0};
}

UniqueFd mount_by_child(const Request& request) {
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  clone_args arguments{};  // no exit signal: the caller's SIGCHLD handling does not hear of it
  const pid_t child = check(sys::clone3(arguments), "clone");
  if (child == 0) {
    ChildResult result = mount_in_child(request);
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
  if (!mount)
    throw Error("mount overlay", error,
                error == EINVAL && request.user_namespace >= 0
                    ? "the kernel or the layers' file system does not support id-mapped mounts"
                    : "");
  return mount;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

UniqueFd mount_overlay_in_namespace(const std::vector<std::string>& lower, const std::string& upper,
                                    const std::string& work, OverlaySync sync) {
  return mount_by_child({lower, upper, work, sync, -1, {}});
}

UniqueFd mount_mapped_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                              OverlaySync sync, int user_namespace) {
  const std::string directory = parent_of(upper);
  if (directory != parent_of(work))
    throw Error("mount overlay", EINVAL, upper + " and " + work + " must be in one directory to have their ids mapped");
  return mount_by_child({lower, upper, work, sync, user_namespace, directory});
}

}  // namespace gantry
