#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "isolation/id_maps.h"
#include "isolation/mount_options.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// One mount of a container: first read from the spec, then made (detached), then attached.
struct Mount {
  std::string destination, source, type;
  /// What of the source is mounted instead of all of it; resolved inside of it.
  std::string subpath;
  MountOptions options;
  /// How a bind mount shows the ids of its files; empty for as they are.
  IdMaps ids;
  /// The detached mount; empty until it is made.
  UniqueFd fd;
  /// What the mount point has to be.
  bool directory = true;
  /// Symbolic links to put into a new file system: name and target.
  std::vector<std::pair<std::string, std::string>> links;

  /// A tmpfs without a mode of its own takes that of the directory it covers, as runc has it.
  bool takes_mode() const;
  /// Something is done to it once it is attached, so it cannot be read-only before.
  bool is_completed_late() const { return options.copy_up || takes_mode(); }
  bool on_dev() const { return destination == "/dev" || destination == "/dev/"; }
};

/// Reads `mounts` of the spec; an entry of type "cgroup" or "cgroup2" becomes the mounts that this host needs for it.
/// @throws Error for a destination that is not absolute, or an unknown option
std::vector<Mount> plan_mounts(const nlohmann::json& spec, const std::string& cgroup_path);

/// Opens what lies on the host: the sources of bind mounts, and the layers of read-only overlays. To be done where they
/// are visible and permitted: by the parent.
void open_sources(std::vector<Mount>& mounts);

/// Makes one file system, detached.
void make_mount(Mount& mount);

/// Attaches the mounts in their order, each at its destination inside `root`, which is created when it is absent.
void attach_mounts(int root, std::vector<Mount>& mounts);

/// The mounts that show a container its own cgroup at `destination`: on v2 that directory, on v1 a tmpfs with one
/// directory for each controller. `own` is false where the container sees the host's cgroups.
std::vector<Mount> plan_cgroup_mounts(const Mount& requested, const std::string& cgroup_path, bool own);

}  // namespace gantry
