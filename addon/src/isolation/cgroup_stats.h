#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "isolation/cgroup.h"
#include "isolation/cgroup_directory.h"

namespace gantry {

// Each fills in the part of the numbers that comes from one controller. A file that is missing leaves zeros.

void read_cpuacct_v1(const CgroupDirectory& directory, CgroupStats& stats);
void read_cpu_v1(const CgroupDirectory& directory, CgroupStats& stats);
void read_memory_v1(const CgroupDirectory& directory, CgroupStats& stats);
void read_block_io_v1(const CgroupDirectory& directory, CgroupStats& stats);

/// cpu.stat of v2 counts time also where the cpu controller is on v1.
void read_cpu_v2(const CgroupDirectory& directory, CgroupStats& stats);
void read_memory_v2(const CgroupDirectory& directory, CgroupStats& stats);
void read_block_io_v2(const CgroupDirectory& directory, CgroupStats& stats);

void read_pids(const CgroupDirectory& directory, CgroupStats& stats);

/// The lines of "name value" files.
std::vector<std::pair<std::string, uint64_t>> parse_flat_keyed(std::string_view text);
/// blkio.throttle.* of v1: "8:0 Read 4096". `bytes` and `operations` are joined by device and kind.
std::vector<CgroupStats::BlockIo> parse_block_io_v1(std::string_view bytes, std::string_view operations);
/// io.stat of v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
std::vector<CgroupStats::BlockIo> parse_block_io_v2(std::string_view text);

/// The memory of the machine: the limit of a cgroup that has none, or a higher one.
uint64_t machine_memory();

}  // namespace gantry
