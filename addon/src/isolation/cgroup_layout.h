#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry {

/// One mounted cgroup hierarchy.
struct CgroupHierarchy {
  bool unified = false;
  std::string mount_point;
  /// v1: the controllers mounted together. v2: those that the root offers and this library knows.
  std::vector<std::string> controllers;
  /// O_PATH of the mount point; what everything below is opened relative to.
  UniqueFd root;

  bool has(std::string_view controller) const;
};

/// The hierarchies named in the text of a mountinfo file: v1 with controllers and v2, the first mount of each.
/// Named v1 hierarchies ("name=systemd") have no controllers and are left out.
std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo);

/// Where each controller of this host lives. Discovered once.
class CgroupLayout {
 public:
  /// @throws Error when no cgroup file system is mounted
  static const CgroupLayout& get();

  /// nullptr where there is no v2 hierarchy.
  const CgroupHierarchy* unified() const;
  const std::vector<CgroupHierarchy>& hierarchies() const { return hierarchies_; }
  /// The hierarchy that `controller` can be used on, or nullptr.
  const CgroupHierarchy* find(std::string_view controller) const;

 private:
  CgroupLayout();
  std::vector<CgroupHierarchy> hierarchies_;
};

}  // namespace gantry
