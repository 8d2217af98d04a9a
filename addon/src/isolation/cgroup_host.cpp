#include <algorithm>
#include <set>

#include "isolation/cgroup.h"
#include "isolation/cgroup_directory.h"

namespace gantry {
namespace {

/// The files about swap are in every cgroup but the root.
bool counts_swap(const CgroupLayout& layout) {
  const CgroupHierarchy* memory = layout.find("memory");
  if (memory == nullptr) return false;
  const CgroupDirectory root(*memory, "/");
  if (!memory->unified) return root.has_file("memory.memsw.limit_in_bytes");
  const std::vector<CgroupDirectory> children = root.children();
  return std::any_of(children.begin(), children.end(),
                     [](const CgroupDirectory& child) { return child.has_file("memory.swap.max"); });
}

}  // namespace

const CgroupHost& cgroup_host() {
  static const CgroupHost host = [] {
    CgroupHost result;
    const CgroupLayout& layout = CgroupLayout::get();
    std::set<std::string> controllers;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
      if (!hierarchy.unified) result.version = 1;
      controllers.insert(hierarchy.controllers.begin(), hierarchy.controllers.end());
    }
    result.controllers.assign(controllers.begin(), controllers.end());
    result.swap_accounting = counts_swap(layout);
    return result;
  }();
  return host;
}

}  // namespace gantry
