#pragma once

#include <string_view>

#include "isolation/cgroup_directory.h"
#include "isolation/cgroup_resources.h"

namespace gantry {

// The limits of one controller each, on the version its hierarchy has. `directory` is the cgroup in that hierarchy.

void limit_memory_v1(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_cpu_v1(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_cpuset_v1(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_block_io_v1(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_pids(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_hugepages(const CgroupDirectory& directory, const CgroupResources& resources);

void limit_memory_v2(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_cpu_v2(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_cpuset_v2(const CgroupDirectory& directory, const CgroupResources& resources);
void limit_block_io_v2(const CgroupDirectory& directory, const CgroupResources& resources);
void write_unified(const CgroupDirectory& directory, const CgroupResources& resources);

/// Gives a v1 cpuset the cpus and memory nodes of its parent where it has none: without, no process can enter.
void inherit_cpuset_v1(const CgroupDirectory& directory);

/// Writes a limit whose file may be missing; the Error then says which `feature` the kernel lacks.
void write_limit(const CgroupDirectory& directory, std::string_view file, std::string_view value,
                 std::string_view feature);

}  // namespace gantry
