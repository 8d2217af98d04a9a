#include "isolation/user_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "isolation/error.h"

namespace gantry {
namespace {

/// What the child has to know. Its memory is the parent's.
struct Request {
  /// Entered before anything is created; -1 for none.
  int user_namespace;
  int report;
};

/// The child: in namespaces of its own until it is killed. System calls only, for it shares the memory of a process
/// that may have threads.
int hold_namespaces(void* argument) {
  const auto& request = *static_cast<const Request*>(argument);
  int error = ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? errno : 0;
  if (error == 0 && request.user_namespace >= 0 &&
      (::setns(request.user_namespace, CLONE_NEWUSER) < 0 || ::unshare(CLONE_NEWNET) < 0))
    error = errno;
  (void)!::write(request.report, &error, sizeof error);
  for (;;) ::pause();
}

/// A process that holds namespaces open while this object lives. The memory of the caller is shared, not copied, so
/// that its size does not matter.
class Holder {
 public:
  /// @param created CLONE_NEW* flags
  Holder(int created, int user_namespace) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "create a socket pair");
    const UniqueFd ours(ends[0]), theirs(ends[1]);
    request_ = {user_namespace, theirs.get()};
    clone(created);
    int error = 0;
    if (::read(ours.get(), &error, sizeof error) != sizeof error) error = ECHILD;
    if (error == 0) return;
    end();
    throw Error("create a namespace", error);
  }
  ~Holder() { end(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  pid_t pid() const { return pid_; }

  UniqueFd open(const char* type) const {
    const std::string path = "/proc/" + std::to_string(pid_) + "/ns/" + type;
    return UniqueFd(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  }

 private:
  void clone(int created) {
    // No handler of the parent may run in the child.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    // No exit signal: the caller's SIGCHLD handling does not hear of it.
    pid_ = ::clone(hold_namespaces, stack_.data() + stack_.size(), CLONE_VM | created, &request_);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid_ < 0) throw Error("create a namespace", error);
  }

  void end() noexcept {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }

  pid_t pid_ = -1;
  Request request_{};
  alignas(16) std::array<char, 32 * 1024> stack_;
};

}  // namespace

UniqueFd create_user_namespace(const IdMaps& maps) {
  const Holder holder(CLONE_NEWUSER, -1);
  write_id_maps(holder.pid(), maps);
  return holder.open("user");
}

UniqueFd create_network_namespace_for(const IdMaps& maps) {
  const Holder holder(CLONE_NEWUSER | CLONE_NEWNET, -1);
  write_id_maps(holder.pid(), maps);
  return holder.open("net");
}

UniqueFd create_network_namespace_in(int user_namespace) {
  const Holder holder(0, user_namespace);
  return holder.open("net");
}

UniqueFd user_namespace_of(int name_space) {
  UniqueFd fd(check(::ioctl(name_space, NS_GET_USERNS), "find the owner of a namespace"));
  check(::fcntl(fd.get(), F_SETFD, FD_CLOEXEC), "set close-on-exec");
  return fd;
}

}  // namespace gantry
