#include <gtest/gtest.h>

#include "cgroup/cgroup_fixture.h"
#include "isolation/cgroup_layout.h"
#include "isolation/error.h"

namespace gantry {
namespace {

TEST(CgroupMounts, ReadsHybridHosts) {
  const auto mounts = parse_cgroup_mounts(
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "41 31 0:38 / /mnt/with\\040space rw - cgroup2 cgroup2 rw,nsdelegate\n"
      "46 45 0:29 / /srv/sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
      "55 45 0:38 / /srv/unified rw - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_FALSE(mounts[0].unified);
  EXPECT_EQ(mounts[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_TRUE(mounts[1].unified);
  EXPECT_EQ(mounts[1].mount_point, "/mnt/with space");
}

TEST(CgroupMounts, IgnoresRubbish) {
  EXPECT_TRUE(parse_cgroup_mounts("").empty());
  EXPECT_TRUE(parse_cgroup_mounts("1 2 - cgroup\nx - cgroup cgroup rw,cpu\n\\\n").empty());
}

TEST(CgroupPath, CannotLeaveTheHierarchy) {
  const CgroupHierarchy& hierarchy = CgroupLayout::get().hierarchies().front();
  for (const char* path : {"/gantry/../../etc", "/..", "a//b", "/./a"})
    EXPECT_THROW(CgroupDirectory(hierarchy, path), Error) << path;
  EXPECT_EQ(CgroupDirectory(hierarchy, "/a/b/").name(), hierarchy.mount_point + "/a/b");
  EXPECT_EQ(CgroupDirectory(hierarchy, "/a/b").parent().name(), hierarchy.mount_point + "/a");
  EXPECT_TRUE(CgroupDirectory(hierarchy, "/a").parent().is_root());
}

TEST(CgroupHost, AgreesWithTheLayout) {
  const CgroupHost& host = cgroup_host();
  EXPECT_EQ(host.version, CgroupLayout::get().hierarchies().size() == 1 && CgroupLayout::get().unified() ? 2 : 1);
  for (const std::string& controller : host.controllers) EXPECT_NE(CgroupLayout::get().find(controller), nullptr);
}

}  // namespace
}  // namespace gantry
