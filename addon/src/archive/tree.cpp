#include "archive/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

/// Directories kept open on the way down. A tree may be deeper than descriptors last; below this the way back up is
/// "..".
constexpr size_t OPEN_LEVELS = 64;

struct Level {
  std::string name;
  UniqueFd fd;
  dev_t device = 0;
  ino_t inode = 0;
  /// Directories still to be visited.
  std::vector<std::string> pending;
};

/// A subdirectory itself, not what a link or a mount puts in its place. @return the errno in place of a descriptor
std::pair<UniqueFd, int> open_below(int parent, const std::string& name) {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = ::syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how);
  return fd < 0 ? std::pair<UniqueFd, int>(UniqueFd(), errno)
                : std::pair<UniqueFd, int>(UniqueFd(static_cast<int>(fd)), 0);
}

/// Visits the directories of a tree, parents before children, without recursion.
class Walk {
 public:
  struct Visitor {
    /// Called for everything but directories.
    std::function<void(int directory, const char* name)> entry;
    /// Called for a directory that has been left, with its parent.
    std::function<void(int directory, const std::string& name)> left;
    /// Called for a directory that is a mount point.
    std::function<void(const std::string& name)> mount;
  };

  Walk(std::string path, Visitor visitor) : path_(std::move(path)), visitor_(std::move(visitor)) {}

  /// @param top the directory to begin with
  void run(UniqueFd top) {
    enter("", std::move(top));
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.pending.empty()) {
        leave();
        continue;
      }
      const std::string name = std::move(level.pending.back());
      level.pending.pop_back();
      auto [fd, error] = open_below(level.fd.get(), name);
      if (error == EXDEV) {
        visitor_.mount(name);
      } else if (error == ENOTDIR || error == ELOOP) {
        visitor_.entry(level.fd.get(), name.c_str());
      } else if (error == 0) {
        enter(name, std::move(fd));
      } else if (error != ENOENT) {
        throw Error("open " + name + " below " + path_, error);
      }
    }
  }

 private:
  void enter(const std::string& name, UniqueFd fd) {
    Level level;
    level.name = name;
    struct stat status = {};
    check(::fstat(fd.get(), &status), "stat " + name + " below " + path_);
    level.device = status.st_dev;
    level.inode = status.st_ino;
    level.fd = std::move(fd);
    read_entries(level);
    if (levels_.size() >= OPEN_LEVELS) levels_.back().fd.reset();
    levels_.push_back(std::move(level));
  }

  void leave() {
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    if (levels_.empty()) return;
    Level& parent = levels_.back();
    if (!parent.fd) reopen(parent, done.fd.get());
    visitor_.left(parent.fd.get(), done.name);
  }

  void reopen(Level& parent, int child) {
    parent.fd.reset(check(::openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                          "return to " + parent.name + " below " + path_));
    struct stat status = {};
    check(::fstat(parent.fd.get(), &status), "stat " + parent.name + " below " + path_);
    if (status.st_dev != parent.device || status.st_ino != parent.inode)
      throw Error("return to " + parent.name + " below " + path_, ESTALE, "a directory was moved meanwhile");
  }

  void read_entries(Level& level) {
    // fdopendir takes a descriptor of its own.
    UniqueFd copy(check(::openat(level.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path_));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
    if (!stream) throw Error("read directory below " + path_);
    (void)copy.release();
    for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      // An unknown type is tried as a directory; opening tells.
      if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
        level.pending.emplace_back(name);
      } else {
        visitor_.entry(level.fd.get(), entry->d_name);
      }
    }
    if (errno != 0) throw Error("read directory below " + path_);
  }

  const std::string path_;
  const Visitor visitor_;
  std::vector<Level> levels_;
};

std::pair<std::string, std::string> split(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

void unlink_entry(int directory, const std::string& name, int flags, const std::string& path) {
  if (::unlinkat(directory, name.c_str(), flags) < 0 && errno != ENOENT)
    throw Error("remove " + name + " below " + path);
}

}  // namespace

void remove_tree(const std::string& path) {
  const auto [parent_path, name] = split(path);
  if (name.empty() || name == "." || name == "..") throw Error("remove " + path, EINVAL);
  const UniqueFd parent(::open(parent_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent && errno == ENOENT) return;
  check(parent.get(), "open " + parent_path);

  auto [top, error] = open_below(parent.get(), name);
  if (error == ENOENT) return;
  if (error == ENOTDIR || error == ELOOP) return unlink_entry(parent.get(), name, 0, parent_path);
  if (error == EXDEV) throw Error("remove " + path, EBUSY, "it is a mount point");
  if (error != 0) throw Error("open " + path, error);
  const auto unlink = [&path](int flags) {
    return [&path, flags](int directory, const std::string& each) { unlink_entry(directory, each, flags, path); };
  };
  const auto refuse_mount = [&path](const std::string& each) {
    throw Error("remove " + each + " below " + path, EBUSY, "it is a mount point");
  };
  Walk(path, {unlink(0), unlink(AT_REMOVEDIR), refuse_mount}).run(std::move(top));
  unlink_entry(parent.get(), name, AT_REMOVEDIR, parent_path);
}

uint64_t disk_usage(const std::string& path) {
  uint64_t sum = 0;
  std::unordered_set<ino_t> linked;
  const auto count = [&](int directory, const char* name) {
    struct stat status = {};
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
      if (errno == ENOENT) return;
      throw Error(std::string("stat ") + name + " below " + path);
    }
    if (status.st_nlink > 1 && !linked.insert(status.st_ino).second) return;
    sum += static_cast<uint64_t>(status.st_size);
  };
  UniqueFd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  // Removed by somebody between the asking and the looking.
  if (!top && errno == ENOENT) return 0;
  check(top.get(), "open " + path);
  Walk(path, {count, [](int, const std::string&) {}, [](const std::string&) {}}).run(std::move(top));
  return sum;
}

}  // namespace gantry
