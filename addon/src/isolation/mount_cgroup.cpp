#include <sys/mount.h>

#include "isolation/cgroup_directory.h"
#include "isolation/error.h"
#include "isolation/mounts.h"
#include "isolation/path_in_root.h"

namespace gantry {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ",").append(name);
  return text;
}

Mount bind_of(const Mount& requested, const std::string& source, const std::string& destination) {
  Mount mount;
  mount.source = source;
  mount.destination = destination;
  mount.type = "bind";
  mount.options = requested.options;
  mount.options.bind = true;
  mount.options.parameters.clear();
  mount.options.propagation.insert(mount.options.propagation.begin(), {MS_PRIVATE, true});
  return mount;
}

}  // namespace

std::vector<Mount> plan_cgroup_mounts(const Mount& requested, const std::string& cgroup_path, bool own) {
  const CgroupLayout& layout = CgroupLayout::get();
  std::vector<const CgroupHierarchy*> v1;
  for (const CgroupHierarchy& hierarchy : layout.hierarchies())
    if (!hierarchy.unified) v1.push_back(&hierarchy);

  std::vector<Mount> mounts;
  if (v1.empty()) {
    if (!layout.unified()) throw Error("mount cgroup on " + requested.destination, 0, "this host has no cgroups");
    const std::string source = layout.unified()->mount_point + (own ? cgroup_path : std::string());
    mounts.push_back(bind_of(requested, source, requested.destination));
    return mounts;
  }

  Mount top;
  top.destination = requested.destination;
  top.type = top.source = "tmpfs";
  top.options.set = requested.options.set & ~uint64_t{MOUNT_ATTR_RDONLY};
  top.options.parameters.emplace_back("mode", "755");
  for (const CgroupHierarchy* hierarchy : v1) {
    const std::string name = joined(hierarchy->controllers);
    if (hierarchy->controllers.size() < 2) continue;
    for (const std::string& controller : hierarchy->controllers) top.links.emplace_back(controller, name);
  }
  mounts.push_back(std::move(top));
  // On v1 a container sees its own directories also without a cgroup namespace. It has none where nothing was asked of
  // the controller.
  for (const CgroupHierarchy* hierarchy : v1)
    if (cgroup_path.empty() || CgroupDirectory(*hierarchy, cgroup_path).exists())
      mounts.push_back(bind_of(requested, hierarchy->mount_point + cgroup_path,
                               requested.destination + "/" + joined(hierarchy->controllers)));
  return mounts;
}

}  // namespace gantry
