#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gantry::test {

/// A directory with a container in it: a busybox root, config.json and shim.json to be changed before the shim starts.
class Bundle {
 public:
  Bundle();
  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  /// The command of the container's first process: `sh -c script`.
  void run_script(const std::string& script);
  void use_terminal();
  void use_overlay();
  /// Writes both files into the bundle.
  void write() const;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  const std::string& directory() const { return directory_; }
  std::string log() const;
  /// The `log` members of all lines of the log, put together; `stream` selects.
  std::string logged(const std::string& stream = "") const;
  std::vector<nlohmann::json> log_lines() const;
  nlohmann::json exit_record() const;
  /// Whether any hierarchy has a directory of the container's cgroup.
  bool has_cgroup() const;

  nlohmann::json spec;
  nlohmann::json shim;

 private:
  std::string directory_;
};

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);
/// An OCI process object running `sh -c script`.
nlohmann::json shell_process(const std::string& script);

}  // namespace gantry::test
