#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// An Error of the process itself: carries the exit code that Docker reports for it
/// (127 not found, 126 not executable, 125/128 anything else).
class ProcessError : public Error {
 public:
  ProcessError(std::string operation, int error, int exit_code, std::string_view detail = {});
  ProcessError(std::string operation, int error, int exit_code, ErrorText text);
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

/// What becomes fd 0, 1 and 2 of a process. With a terminal the isolation library opens a pty in the container's own
/// devpts and hands back its master end instead.
struct Stdio {
  int in = -1;
  int out = -1;
  int err = -1;
};

struct LaunchOptions {
  /// A detached mount (see rootfs.h) that becomes the root; when empty, `root.path` of the spec is bound. The caller
  /// closes it once the container is created, as it would keep the file system in use.
  int root_mount = -1;
  /// Already created and limited; the process is born inside.
  std::string cgroup_path;
  /// File with a compiled BPF program, or empty for none.
  std::string seccomp_filter;
  Stdio stdio;
  /// The process executes as soon as it is set up; `Process::start` then tells how that went.
  bool start_at_once = false;
};

/// A process that waits just before its execve, fully set up, or that runs.
class Process {
 public:
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  /// Kills the process if it was never started, and reaps it.
  ~Process();

  pid_t pid() const noexcept;
  /// Readable when the process has ended.
  int pidfd() const noexcept;
  /// The terminal's master end; -1 without a terminal. The caller takes ownership.
  UniqueFd take_terminal() noexcept;
  /// Lets the process execute. Returns once execve succeeded; throws ProcessError if it failed (the process is reaped).
  void start();

 private:
  friend class Launcher;
  struct State;
  explicit Process(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Creates the namespaces, the root and the first process of a container as `spec` (an OCI config.json) says.
/// On failure nothing remains. Must be called from a single-threaded process.
///
/// Beyond the OCI specification, `process.user` may hold `username`, Docker's "user[:group]", which is looked up in the
/// container's own files (see user.h), and `additionalGroups`, names or numbers. HOME is set from /etc/passwd.
/// A program that the kernel refuses to execute is no error here: as with runc, the process then says so on its own
/// stderr ("exec /bin/x: exec format error") and exits with 255.
Process create_container(const nlohmann::json& spec, const LaunchOptions& options);

/// Creates a further process (an OCI `process` object) inside the container whose init is `init_pidfd`.
/// `spec` is the container's own config.json: its namespaces are entered, and its rlimits and
/// oomScoreAdj hold unless `process` has its own.
/// The kernel lets a container's init end only after all processes of its pid namespace are reaped, those too.
Process create_exec(const nlohmann::json& spec, const nlohmann::json& process, pid_t init, int init_pidfd,
                    const LaunchOptions& options);

}  // namespace gantry
