#include "archive/entry_writer.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "archive/metadata.h"
#include "archive/path.h"
#include "archive/whiteout.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t write_size = 1 << 18;

/// What something is created with. The other bits (setuid and so on) come last, when it has its owner.
constexpr mode_t plain_mode = 0777;

void write_all(int fd, std::string_view data, uint64_t offset, const std::string& name) {
  while (!data.empty()) {
    const ssize_t done = pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw Error("write " + name);
    data.remove_prefix(static_cast<size_t>(done));
    offset += static_cast<uint64_t>(done);
  }
}

std::string quoted(const std::string& name) { return '"' + name + '"'; }

Owner default_owner(const UnpackOptions& options) {
  if (options.owner) return *options.owner;
  return {options.uid_map.to_host(0), options.gid_map.to_host(0)};
}

}  // namespace

EntryWriter::EntryWriter(const Root& root, std::string base, const UnpackOptions& options)
    : root_(root), base_(std::move(base)), options_(options), default_owner_(default_owner(options)) {}

void EntryWriter::write(const TarEntry& entry, TarReader& reader) {
  const std::string path = clean_path(entry.name);
  if (escapes(path)) throw Error("unpack archive", 0, "invalid entry name " + quoted(entry.name));
  if (options_.whiteouts && is_whiteout_name(base_of(path))) return write_whiteout(path);
  if (path.empty()) return write_top(entry);
  switch (entry.type) {
    case EntryType::directory:
      return write_directory(path, entry);
    case EntryType::regular:
      return write_regular(path, entry, reader);
    case EntryType::hard_link:
      return write_hard_link(path, entry);
    default:
      return write_special(path, entry);
  }
}

void EntryWriter::finish() {
  cached_.reset();
  for (const DirectoryTime& directory : directories_) {
    // Gone if a later entry has replaced it.
    const UniqueFd fd = root_.try_open(directory.path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd) set_time(fd.get(), directory.time);
  }
  directories_.clear();
}

EntryWriter::Place EntryWriter::place_of(const std::string& path) {
  const std::string_view parent = parent_of(path);
  if (!cached_ || parent != cached_path_) {
    cached_ = make_parents(join(base_, parent));
    cached_path_ = parent;
  }
  return {cached_.get(), std::string(base_of(path))};
}

UniqueFd EntryWriter::make_parents(const std::string& path) {
  try {
    return make_directories(root_.fd(), path, default_owner_);
  } catch (const Error& error) {
    if (error.error() != ENOTDIR || !options_.whiteouts) throw;
  }
  replace_whiteouts_above(path);
  return make_directories(root_.fd(), path, default_owner_);
}

/// "a" may have been removed by this archive (".wh.a") and come back as the parent of "a/b".
void EntryWriter::replace_whiteouts_above(const std::string& path) {
  for (size_t slash = path.find('/', 1); true; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    const UniqueFd fd = root_.try_open(prefix, O_PATH | O_NOFOLLOW);
    if (fd && is_whiteout(fd.get())) {
      const UniqueFd parent = root_.open(std::string(parent_of(prefix)), O_PATH | O_DIRECTORY);
      const std::string name(base_of(prefix));
      check(unlinkat(parent.get(), name.c_str(), 0), "replace whiteout " + prefix);
      check(mkdirat(parent.get(), name.c_str(), 0755), "make directory " + prefix);
      const UniqueFd made = root_.open(prefix, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      set_owner(made.get(), default_owner_);
      set_opaque(made.get());
    }
    if (slash == std::string::npos) return;
  }
}

/// Calls `attempt` (an open, mkdir, ... that fails if the name is taken), making room for it where that is allowed.
template <typename Attempt>
int EntryWriter::create(Place& place, const TarEntry& entry, Attempt attempt) {
  for (int i = 0; i < 4; ++i) {
    const int result = attempt();
    if (result >= 0) return result;
    if (errno != EEXIST) break;
    clear(place, entry);
    errno = EEXIST;
  }
  throw Error("create " + entry.name);
}

void EntryWriter::clear(Place& place, const TarEntry& entry) {
  struct stat status;
  if (fstatat(place.parent, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return;
  if (options_.keep_directory_types && S_ISDIR(status.st_mode) != (entry.type == EntryType::directory)) {
    const bool directory = S_ISDIR(status.st_mode);
    throw Error("unpack archive", 0,
                std::string("cannot overwrite ") + (directory ? "directory " : "non-directory ") + quoted(entry.name) +
                    (directory ? " with non-directory" : " with directory"));
  }
  place.was_whiteout = is_whiteout(status);
  remove_entry(place.parent, place.name);
  if (S_ISREG(status.st_mode)) return;
  // The names that led to the cached directory may not lead there any more; the next entry has to look again. This one
  // still needs the descriptor, so only its name is forgotten.
  cached_path_ = "//";
}

void EntryWriter::write_whiteout(const std::string& path) {
  const std::string_view name = base_of(path);
  const Place place = place_of(path);
  if (name == opaque_marker) {
    set_opaque(place.parent);
    return;
  }
  if (is_whiteout_metadata(name)) return;
  const std::string hidden(name.substr(whiteout_prefix.size()));
  if (hidden.empty() || hidden == "." || hidden == "..") {
    throw Error("unpack archive", 0, "invalid whiteout " + quoted(path));
  }
  hide(place.parent, hidden);
}

/// Docker leaves the directory that is unpacked into as it is, except when it is a layer's own root.
void EntryWriter::write_top(const TarEntry& entry) {
  if (!(options_.whiteouts || options_.top_attributes) || entry.type != EntryType::directory) return;
  const UniqueFd fd = root_.open(base_, O_PATH | O_DIRECTORY);
  apply(fd.get(), entry);
  directories_.push_back({base_, entry.mtime});
}

void EntryWriter::write_directory(const std::string& path, const TarEntry& entry) {
  Place place = place_of(path);
  create(place, entry, [&] {
    if (mkdirat(place.parent, place.name.c_str(), entry.mode & plain_mode) == 0) return 0;
    struct stat status;
    if (errno != EEXIST || fstatat(place.parent, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return -1;
    errno = EEXIST;
    return S_ISDIR(status.st_mode) ? 0 : -1;
  });
  const UniqueFd fd(check(openat(place.parent, place.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                          "open " + entry.name));
  apply(fd.get(), entry);
  if (place.was_whiteout && options_.whiteouts) set_opaque(fd.get());
  directories_.push_back({join(base_, path), entry.mtime});
}

void EntryWriter::write_regular(const std::string& path, const TarEntry& entry, TarReader& reader) {
  if (options_.max_bytes != 0 && entry.stored_size > options_.max_bytes - bytes_) {
    throw Error("unpack archive", EFBIG, "more than " + std::to_string(options_.max_bytes) + " bytes");
  }
  Place place = place_of(path);
  const UniqueFd fd(create(place, entry, [&] {
    return openat(place.parent, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  entry.mode & plain_mode);
  }));
  copy_content(fd.get(), entry, reader);
  apply(fd.get(), entry);
}

void EntryWriter::copy_content(int fd, const TarEntry& entry, TarReader& reader) {
  const auto copy_segment = [&](Segment segment) {
    while (segment.length > 0) {
      const std::string_view part = reader.data(std::min<uint64_t>(segment.length, write_size));
      if (part.empty()) throw_truncated();
      write_all(fd, part, segment.offset, entry.name);
      segment.offset += part.size();
      segment.length -= part.size();
      bytes_ += part.size();
    }
  };
  if (!entry.sparse) return copy_segment({0, entry.size});
  for (const Segment& segment : entry.segments) copy_segment(segment);
  check(ftruncate(fd, static_cast<off_t>(entry.size)), "extend " + entry.name);
}

void EntryWriter::write_hard_link(const std::string& path, const TarEntry& entry) {
  const std::string target = clean_path(entry.link);
  if (escapes(target) || target.empty()) {
    throw Error("unpack archive", 0, "invalid hardlink target " + quoted(entry.link));
  }
  const UniqueFd directory = root_.open(join(base_, parent_of(target)), O_PATH | O_DIRECTORY);
  const std::string name(base_of(target));
  Place place = place_of(path);
  struct stat from;
  struct stat to;
  check(fstatat(directory.get(), name.c_str(), &from, AT_SYMLINK_NOFOLLOW), "link " + entry.name + " to " + entry.link);
  if (fstatat(place.parent, place.name.c_str(), &to, AT_SYMLINK_NOFOLLOW) == 0 && from.st_ino == to.st_ino &&
      from.st_dev == to.st_dev) {
    return;  // making room for the link would remove its target
  }
  create(place, entry, [&] { return linkat(directory.get(), name.c_str(), place.parent, place.name.c_str(), 0); });
}

void EntryWriter::write_special(const std::string& path, const TarEntry& entry) {
  Place place = place_of(path);
  mode_t type = S_IFLNK;
  if (entry.type == EntryType::character_device) type = S_IFCHR;
  if (entry.type == EntryType::block_device) type = S_IFBLK;
  if (entry.type == EntryType::fifo) type = S_IFIFO;
  const dev_t device = S_ISFIFO(type) ? 0 : makedev(entry.device_major, entry.device_minor);
  create(place, entry, [&] {
    if (type == S_IFLNK) return symlinkat(entry.link.c_str(), place.parent, place.name.c_str());
    return mknodat(place.parent, place.name.c_str(), type | (entry.mode & plain_mode), device);
  });
  const UniqueFd fd(
      check(openat(place.parent, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "open " + entry.name));
  struct stat status;
  check(fstat(fd.get(), &status), "stat " + entry.name);
  // A process of the container may have put something else there.
  if ((status.st_mode & S_IFMT) != type) throw Error("create " + entry.name, EBUSY, "it was replaced meanwhile");
  apply(fd.get(), entry);
  set_time(fd.get(), entry.mtime);
}

/// Everything an entry says about itself. Regular files get their time here, directories at the end.
void EntryWriter::apply(int fd, const TarEntry& entry) const {
  Owner owner;
  if (options_.owner) {
    owner = *options_.owner;
  } else {
    owner = {options_.uid_map.to_host(entry.uid), options_.gid_map.to_host(entry.gid)};
  }
  // Most of it is right already, and looking costs much less than a change that the file system has to log.
  struct stat status;
  check(fstat(fd, &status), "stat " + entry.name);
  const bool has_owner = status.st_uid == owner.uid && status.st_gid == owner.gid;
  if (!has_owner) set_owner(fd, owner);
  // After the owner: chown takes away setuid and capabilities.
  const bool has_mode = (status.st_mode & 07777) == entry.mode && (has_owner || (entry.mode & ~plain_mode) == 0);
  if (!has_mode && entry.type == EntryType::regular) {
    check(fchmod(fd, entry.mode), "chmod " + entry.name);
  } else if (!has_mode && entry.type != EntryType::symbolic_link) {
    set_mode(fd, entry.mode);
  }
  write_xattrs(fd, entry.xattrs, options_.uid_map.to_host(0));
  if (entry.type == EntryType::regular) set_time(fd, entry.mtime);
}

}  // namespace gantry::archive
