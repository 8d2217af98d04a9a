#include "isolation/cgroup_layout.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "isolation/cgroup_directory.h"
#include "isolation/error.h"

namespace gantry {
namespace {

constexpr std::array<std::string_view, 10> KNOWN = {"cpu",     "cpuacct", "cpuset", "memory", "devices",
                                                    "freezer", "blkio",   "io",     "pids",   "hugetlb"};

bool is_known(std::string_view controller) { return std::find(KNOWN.begin(), KNOWN.end(), controller) != KNOWN.end(); }

std::vector<std::string> known_controllers(const std::string& list, char separator) {
  std::vector<std::string> result;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, separator);) {
    while (!word.empty() && word.back() == '\n') word.pop_back();
    if (is_known(word)) result.push_back(word);
  }
  return result;
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    auto octal = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      result.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

UniqueFd open_root(const std::string& path) {
  return UniqueFd(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + path));
}

void offer_controllers(CgroupHierarchy& unified) {
  unified.controllers = known_controllers(read_whole(unified.root.get(), "cgroup.controllers"), ' ');
}

}  // namespace

bool CgroupHierarchy::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupHierarchy> result;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // "36 35 98:0 /root /mount rw,noatime master:1 - cgroup source rw,memory"
    const size_t dash = line.find(" - cgroup");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), after(line.substr(dash + 3));
    std::string id, parent, device, root, mount_point, type, source, options;
    if (!(before >> id >> parent >> device >> root >> mount_point) || !(after >> type >> source >> options)) continue;

    CgroupHierarchy hierarchy;
    hierarchy.unified = type == "cgroup2";
    hierarchy.mount_point = unescape(mount_point);
    if (!hierarchy.unified) {
      hierarchy.controllers = known_controllers(options, ',');
      if (hierarchy.controllers.empty()) continue;
    }
    // Bind mounts show the same hierarchy again.
    const bool seen = std::any_of(result.begin(), result.end(), [&](const CgroupHierarchy& other) {
      return other.unified == hierarchy.unified &&
             (hierarchy.unified || other.controllers.front() == hierarchy.controllers.front());
    });
    if (!seen) result.push_back(std::move(hierarchy));
  }
  return result;
}

CgroupLayout::CgroupLayout() {
  constexpr const char* DEFAULT_MOUNT = "/sys/fs/cgroup";
  struct statfs status = {};
  if (::statfs(DEFAULT_MOUNT, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) {
    CgroupHierarchy unified;
    unified.unified = true;
    unified.mount_point = DEFAULT_MOUNT;
    hierarchies_.push_back(std::move(unified));
  } else {
    hierarchies_ = parse_cgroup_mounts(read_whole(AT_FDCWD, "/proc/self/mountinfo"));
  }
  if (hierarchies_.empty()) throw Error("find cgroups", 0, "no cgroup file system is mounted");
  for (CgroupHierarchy& hierarchy : hierarchies_) {
    hierarchy.root = open_root(hierarchy.mount_point);
    if (hierarchy.unified) offer_controllers(hierarchy);
  }
}

const CgroupLayout& CgroupLayout::get() {
  static const CgroupLayout layout;
  return layout;
}

const CgroupHierarchy* CgroupLayout::unified() const {
  for (const CgroupHierarchy& hierarchy : hierarchies_)
    if (hierarchy.unified) return &hierarchy;
  return nullptr;
}

const CgroupHierarchy* CgroupLayout::find(std::string_view controller) const {
  for (const CgroupHierarchy& hierarchy : hierarchies_)
    if (hierarchy.has(controller)) return &hierarchy;
  return nullptr;
}

}  // namespace gantry
