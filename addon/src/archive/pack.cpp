#include "archive/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <set>

#include "archive/directory.h"
#include "archive/path.h"
#include "archive/sparse_file.h"
#include "archive/tar_writer.h"
#include "archive/whiteout.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// Each level holds two descriptors.
constexpr int max_depth = 1024;

std::string read_link(int fd, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = check(readlinkat(fd, "", target.data(), target.size()), "read link " + name);
  target.resize(static_cast<size_t>(size));
  return target;
}

bool is_directory(int fd) {
  struct stat status;
  check(fstat(fd, &status), "stat");
  return S_ISDIR(status.st_mode);
}

/// Walks a tree and writes it. Every object is looked up once, as a descriptor, so nothing can be swapped between the
/// look at its type and the reading of its content.
class Packer {
 public:
  Packer(int output, const PackOptions& options) : writer_(output), options_(options) {
    for (const std::string& path : options.exclude) excluded_.insert(clean_path(path));
  }

  /// @param name in the archive; empty for a directory that is not an entry itself
  /// @param path below the top, for `exclude`
  void add(const UniqueFd& object, const std::string& name, const std::string& path, int depth) {
    struct stat status;
    check(fstat(object.get(), &status), "stat " + name);
    if (S_ISSOCK(status.st_mode)) return;
    if (options_.whiteouts && is_whiteout(status)) return add_whiteout(name);
    if (!name.empty()) add_object(object.get(), status, name);
    if (S_ISDIR(status.st_mode)) add_children(object.get(), name, path, depth);
  }

  void finish() { writer_.finish(); }

 private:
  void add_object(int object, const struct stat& status, const std::string& name) {
    TarEntry entry = describe(object, status, name);
    if (S_ISREG(status.st_mode)) {
      if (link_to_earlier(status, entry)) {
        writer_.begin(entry);
      } else {
        add_content(object, status, entry);
      }
    } else {
      writer_.begin(entry);
    }
    writer_.end();
  }

  TarEntry describe(int object, const struct stat& status, const std::string& name) const {
    TarEntry entry;
    entry.name = name;
    entry.mode = status.st_mode & 07777;
    entry.uid = options_.uid_map.to_container(status.st_uid);
    entry.gid = options_.gid_map.to_container(status.st_gid);
    entry.mtime.seconds = status.st_mtim.tv_sec;
    entry.xattrs = read_xattrs(object, options_.uid_map.to_host(0));
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR:
        entry.type = EntryType::directory;
        if (entry.name.back() != '/') entry.name.push_back('/');
        break;
      case S_IFLNK:
        entry.type = EntryType::symbolic_link;
        entry.link = read_link(object, name);
        break;
      case S_IFCHR:
        entry.type = EntryType::character_device;
        break;
      case S_IFBLK:
        entry.type = EntryType::block_device;
        break;
      case S_IFIFO:
        entry.type = EntryType::fifo;
        break;
      default:
        break;
    }
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
      entry.device_major = major(status.st_rdev);
      entry.device_minor = minor(status.st_rdev);
    }
    return entry;
  }

  bool link_to_earlier(const struct stat& status, TarEntry& entry) {
    if (status.st_nlink < 2) return false;
    const auto [earlier, added] = seen_.try_emplace({status.st_dev, status.st_ino}, entry.name);
    if (added) return false;
    entry.type = EntryType::hard_link;
    entry.link = earlier->second;
    entry.xattrs.clear();
    return true;
  }

  void add_content(int object, const struct stat& status, TarEntry& entry) {
    if (options_.whiteouts) refuse_partial_file(object, entry.name);
    entry.size = entry.stored_size = static_cast<uint64_t>(status.st_size);
    if (entry.size == 0) return writer_.begin(entry);
    const UniqueFd file = reopen(object, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    find_segments(file.get(), status, entry);
    writer_.begin(entry);
    if (!entry.sparse) return writer_.data_from(file.get(), 0, entry.size);
    for (const Segment& segment : entry.segments) writer_.data_from(file.get(), segment.offset, segment.length);
  }

  void add_children(int object, const std::string& name, const std::string& path, int depth) {
    if (depth > max_depth) throw Error("pack " + name, ENAMETOOLONG, "directories are nested too deeply");
    const UniqueFd directory(check(openat(object, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open directory " + name));
    if (options_.whiteouts) add_opaque_marker(object, name);
    for (const std::string& child : list_directory(directory.get())) {
      const std::string child_path = join(path, child);
      if (excluded_.count(child_path) != 0) continue;
      const UniqueFd fd(openat(directory.get(), child.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!fd && errno == ENOENT) continue;  // removed meanwhile
      if (!fd) throw Error("open " + child_path);
      add(fd, join(name, child), child_path, depth + 1);
    }
  }

  void add_marker(const std::string& name) {
    TarEntry entry;
    entry.name = name;
    entry.mode = 0;
    writer_.begin(entry);
    writer_.end();
  }

  void add_whiteout(const std::string& name) {
    add_marker(join(parent_of(name), std::string(whiteout_prefix).append(base_of(name))));
  }

  void add_opaque_marker(int directory, const std::string& name) {
    std::string value;
    if (has_xattr(directory, "trusted.overlay.redirect")) {
      throw Error("pack " + name, EOPNOTSUPP, "it was renamed under overlayfs's redirect_dir, which layers cannot say");
    }
    if (has_xattr(directory, opaque_xattr, &value) && value == "y") add_marker(join(name, opaque_marker));
  }

  static void refuse_partial_file(int object, const std::string& name) {
    if (has_xattr(object, "trusted.overlay.metacopy")) {
      throw Error("pack " + name, EOPNOTSUPP, "overlayfs's metacopy left its content in a lower layer");
    }
  }

  TarWriter writer_;
  const PackOptions& options_;
  std::set<std::string> excluded_;
  /// Files with several names, by where they were first met.
  std::map<std::pair<dev_t, ino_t>, std::string> seen_;
};

}  // namespace

void pack(const Root& root, const std::string& path, int output, const PackOptions& options) {
  const UniqueFd top = root.open(path, O_PATH | O_NOFOLLOW);
  std::string name = options.as ? *options.as : std::string(base_of(clean_path(path)));
  if (!options.as && name.empty()) name = "/";
  if (name.empty() && !is_directory(top.get())) name = base_of(clean_path(path));
  Packer packer(output, options);
  packer.add(top, name, "", 0);
  packer.finish();
}

}  // namespace gantry::archive
