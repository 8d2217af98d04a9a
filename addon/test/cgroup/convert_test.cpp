#include <gtest/gtest.h>

#include "isolation/cgroup_convert.h"
#include "isolation/error.h"

namespace gantry {
namespace {

TEST(CpuWeight, MapsBoundsAndDefaultsOfV1ToThoseOfV2) {
  EXPECT_EQ(cpu_weight_from_shares(2), 1u);
  EXPECT_EQ(cpu_weight_from_shares(1024), 100u);
  EXPECT_EQ(cpu_weight_from_shares(262144), 10000u);
}

TEST(CpuWeight, ClampsWhatLiesOutside) {
  EXPECT_EQ(cpu_weight_from_shares(0), 1u);
  EXPECT_EQ(cpu_weight_from_shares(UINT64_MAX), 10000u);
}

TEST(CpuWeight, GrowsWithTheShares) {
  uint64_t previous = 0;
  for (uint64_t shares = 2; shares <= 262144; shares *= 2) {
    const uint64_t weight = cpu_weight_from_shares(shares);
    EXPECT_GT(weight, previous) << shares;
    previous = weight;
  }
}

TEST(IoWeight, MapsTheRangeLinearly) {
  EXPECT_EQ(io_weight_from_blkio_weight(10), 1u);
  EXPECT_EQ(io_weight_from_blkio_weight(505), 5000u);
  EXPECT_EQ(io_weight_from_blkio_weight(1000), 10000u);
}

TEST(SwapMax, IsTheDifferenceOfTotalAndMemory) {
  EXPECT_EQ(swap_max_from_total(100, 300), "200");
  EXPECT_EQ(swap_max_from_total(100, 100), "0");
  EXPECT_EQ(swap_max_from_total(100, -1), "max");
}

TEST(SwapMax, IsLeftAloneUnlessTheMemoryLimitGoes) {
  EXPECT_EQ(swap_max_from_total(100, std::nullopt), std::nullopt);
  EXPECT_EQ(swap_max_from_total(-1, std::nullopt), "max");
}

TEST(SwapMax, RefusesContradictions) {
  EXPECT_THROW(swap_max_from_total(100, 99), Error);
  EXPECT_THROW(swap_max_from_total(std::nullopt, 99), Error);
  EXPECT_THROW(swap_max_from_total(-1, 99), Error);
}

TEST(NumberOr, TakesMaxAndRubbishForTheAlternative) {
  EXPECT_EQ(number_or("17\n", 5), 17u);
  EXPECT_EQ(number_or("max\n", 5), 5u);
  EXPECT_EQ(number_or("", 5), 5u);
}

}  // namespace
}  // namespace gantry
