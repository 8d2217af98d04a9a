#pragma once

#include <linux/bpf.h>

#include <vector>

#include "isolation/cgroup_directory.h"
#include "isolation/cgroup_resources.h"

namespace gantry {

/// The rules in force: the given ones, then those for the devices that the OCI spec has every container provide
/// (null, zero, full, random, urandom, tty, console, ptmx, pts; mknod of anything). Rules that a later one for all
/// devices makes void are left out. The rules of a list are applied in order, the last one for an access wins.
std::vector<DeviceRule> effective_device_rules(const std::vector<DeviceRule>& rules);

/// True when the rules allow everything.
bool allows_everything(const std::vector<DeviceRule>& rules);

/// The program that decides by `rules`; what no rule is about is allowed.
std::vector<bpf_insn> device_filter_program(const std::vector<DeviceRule>& rules);

/// Puts the rules in force on a v2 cgroup, in place of those that were there.
void filter_devices_v2(const CgroupDirectory& directory, const std::vector<DeviceRule>& rules);

/// Writes the rules to devices.allow and devices.deny of a v1 cgroup.
void filter_devices_v1(const CgroupDirectory& directory, const std::vector<DeviceRule>& rules);

}  // namespace gantry
