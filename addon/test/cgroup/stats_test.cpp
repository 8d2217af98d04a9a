#include <time.h>

#include <cstring>
#include <vector>

#include "cgroup/cgroup_fixture.h"
#include "isolation/cgroup_stats.h"
#include "isolation/error.h"

namespace gantry {
namespace {

TEST(BlockIoStats, JoinsTheTwoFilesOfV1) {
  const auto entries =
      parse_block_io_v1("8:0 Read 4096\n8:0 Write 0\n253:1 Read 8\nTotal 4104\n", "8:0 Read 1\nTotal 1\n");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].major, 8u);
  EXPECT_EQ(entries[0].op, "Read");
  EXPECT_EQ(entries[0].bytes, 4096u);
  EXPECT_EQ(entries[0].operations, 1u);
  EXPECT_EQ(entries[2].major, 253u);
  EXPECT_EQ(entries[2].minor, 1u);
}

TEST(BlockIoStats, ReadsIoStatOfV2) {
  const auto entries = parse_block_io_v2("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n");
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].op, "read");
  EXPECT_EQ(entries[0].bytes, 1u);
  EXPECT_EQ(entries[0].operations, 3u);
  EXPECT_EQ(entries[1].op, "write");
  EXPECT_EQ(entries[1].minor, 16u);
  EXPECT_EQ(entries[1].bytes, 2u);
  EXPECT_EQ(entries[1].operations, 4u);
}

TEST(FlatKeyed, StopsAtRubbish) {
  const auto pairs = parse_flat_keyed("a 1\nb 2\nc x\n");
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[1], (std::pair<std::string, uint64_t>("b", 2)));
}

int burn_and_wait() {
  std::vector<char> memory(8 << 20);
  std::memset(memory.data(), 1, memory.size());
  timespec now = {};
  do {
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while (now.tv_sec == 0 && now.tv_nsec < 100'000'000);
  return memory[5] == 1 ? sleep_forever() : 1;
}

TEST_F(CgroupTest, StatsCountWhatAProcessUses) {
  const Cgroup cgroup = make();
  const Inmate inmate(cgroup, burn_and_wait);
  const bool has_memory = CgroupLayout::get().find("memory") != nullptr;
  CgroupStats stats;
  const auto is_small = [&] { return stats.cpu.usage < 50'000'000 || (has_memory && stats.memory.usage <= 4u << 20); };
  for (int i = 0; i < 500 && is_small(); ++i) {
    const timespec pause = {0, 10'000'000};
    ::nanosleep(&pause, nullptr);
    stats = cgroup.stats();
  }
  EXPECT_GE(stats.cpu.usage, 50'000'000u);
  EXPECT_LT(stats.cpu.usage, 60'000'000'000u);
  EXPECT_GE(stats.cpu.user + stats.cpu.system, 25'000'000u);
  if (has_memory) {
    EXPECT_GT(stats.memory.usage, 4u << 20);
    EXPECT_LE(stats.memory.limit, machine_memory());
    EXPECT_EQ(stats.memory.stats.count("inactive_file"), 1u);
    EXPECT_EQ(stats.memory.stats.count(is_v2("memory") ? "anon" : "total_rss"), 1u);
  }
  if (CgroupLayout::get().find("pids") != nullptr) {
    EXPECT_EQ(stats.pids.current, 1u);
    EXPECT_EQ(stats.pids.limit, 0u);
  }
}

TEST_F(CgroupTest, StatsOfAnAbsentCgroupAreAnError) {
  try {
    Cgroup(parent_ + "/absent").stats();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error(), ENOENT);
  }
}

}  // namespace
}  // namespace gantry
