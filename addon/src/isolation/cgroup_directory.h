#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/cgroup_layout.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// The content of a small kernel file. @throws Error
std::string read_whole(int directory, const std::string& path);

/// One directory of one hierarchy. A value: it may or may not exist. Every file is opened relative to the
/// hierarchy's root, so that nothing but the directory's own name is resolved.
class CgroupDirectory {
 public:
  /// @param path relative to the hierarchy: "/gantry/<id>". @throws Error when it has ".." or empty components
  CgroupDirectory(const CgroupHierarchy& hierarchy, std::string_view path);

  const CgroupHierarchy& hierarchy() const { return *hierarchy_; }
  /// The absolute path, for messages.
  std::string name() const;
  bool is_root() const { return relative_.empty(); }
  CgroupDirectory parent() const;
  CgroupDirectory child(std::string_view name) const;
  std::vector<CgroupDirectory> children() const;
  std::vector<std::string> child_names() const;

  bool exists() const;
  /// Creates this directory only. @return false when it exists already; no value when the parent is missing.
  std::optional<bool> try_make() const;
  /// @return false when it is still in use (EBUSY); absence is success.
  bool try_remove() const;

  std::string read(std::string_view file) const;
  /// No value when the file does not exist.
  std::optional<std::string> read_if_present(std::string_view file) const;
  void write(std::string_view file, std::string_view value) const;
  /// @return 0 or the errno of the failure
  int try_write(std::string_view file, std::string_view value) const;
  bool has_file(std::string_view file) const;
  UniqueFd open_file(std::string_view file, int flags) const;
  UniqueFd open_directory() const;

  /// Processes of this directory only.
  std::vector<pid_t> own_processes() const;
  /// Processes of this directory and all below; a directory that vanishes has none.
  std::vector<pid_t> processes() const;

 private:
  std::string file_path(std::string_view file) const;
  const char* directory_path() const { return relative_.empty() ? "." : relative_.c_str(); }

  const CgroupHierarchy* hierarchy_;
  /// Without a leading slash; empty for the root.
  std::string relative_;
};

}  // namespace gantry
