#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "isolation/container.h"

namespace gantry::test {

/// What a process wrote and how it ended.
struct Outcome {
  std::string out, err;
  /// As a shell has it: 128 + the signal when it was killed.
  int exit_code = -1;
};

/// A root file system with busybox in a directory that goes away, and the spec of a container on it with everything
/// that Docker's default container has.
class Bundle {
 public:
  Bundle();
  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  nlohmann::json& spec() { return spec_; }
  nlohmann::json& process() { return spec_["process"]; }
  nlohmann::json& linux_section() { return spec_["linux"]; }
  /// A path on the host: below the bundle's root file system, or beside it.
  std::string root(const std::string& path = "") const { return directory_ + "/rootfs" + path; }
  std::string beside(const std::string& path) const { return directory_ + "/" + path; }

  void write_root(const std::string& path, const std::string& content, unsigned mode = 0644);
  void add_mount(const std::string& destination, const std::string& type, const std::string& source,
                 std::vector<std::string> options);
  void remove_namespace(const std::string& type);
  /// A user namespace whose ids 0 to 65535 are 100000 and up on the host; gives the root file system to them.
  void use_user_namespace();
  void arguments(std::vector<std::string> args) { process()["args"] = std::move(args); }
  void script(const std::string& text) { arguments({"sh", "-c", text}); }

  Outcome run(LaunchOptions options = {});
  Outcome run_script(const std::string& text) {
    script(text);
    return run();
  }

 private:
  std::string directory_;
  nlohmann::json spec_;
};

/// Starts a process whose fds 1 and 2 are pipes, and collects.
class Capture {
 public:
  Capture();
  Stdio stdio() const;
  /// Starts, reads until the end of both pipes, reaps.
  Outcome finish(Process& process);
  /// Closes this side's copies of the writing ends.
  void close_writers();
  std::string read_line();

 private:
  UniqueFd out_[2], err_[2];
};

/// Waits for a process that has been started. @return as Outcome::exit_code
int wait_for(const Process& process);

std::string read_file(const std::string& path);
std::string trim(std::string text);

/// A container that sleeps, with a writable view for execs.
class Sleeper {
 public:
  explicit Sleeper(Bundle& bundle, LaunchOptions options = {});
  ~Sleeper();
  Process& init() { return process_; }
  Outcome exec(nlohmann::json process, LaunchOptions options = {});
  /// The container's own process object with other arguments.
  Outcome exec_script(const std::string& text);

 private:
  Bundle& bundle_;
  Process process_;
};

}  // namespace gantry::test
