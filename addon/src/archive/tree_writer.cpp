#include "archive/tree_writer.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "archive/directory.h"
#include "archive/path.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// What a file is created with; all of its mode comes last.
constexpr mode_t private_mode = 0600;

void write_all(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t done = write(fd, data.data(), data.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw Error("write " + path);
    data.remove_prefix(static_cast<size_t>(done));
  }
}

}  // namespace

TreeWriter::TreeWriter(const std::string& directory, Owner owner)
    : root_(check(open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open " + directory)),
      owner_(owner) {}

void TreeWriter::give_away(const Place& place) const {
  if (owner_.uid == geteuid() && owner_.gid == getegid()) return;
  check(fchownat(place.parent, place.name.c_str(), owner_.uid, owner_.gid, AT_SYMLINK_NOFOLLOW), "chown " + place.name);
}

TreeWriter::Place TreeWriter::place_of(const std::string& path) {
  const std::string_view name = base_of(path);
  if (name.empty() || name == "." || name == ".." || path.front() == '/' || path.find('\0') != std::string::npos) {
    throw Error("find place", EINVAL, "invalid path \"" + path + '"');
  }
  const std::string_view parent = parent_of(path);
  if (!cached_ || parent != cached_path_) {
    cached_ = open_parent(std::string(parent));
    cached_path_ = parent;
  }
  return {cached_.get(), std::string(name)};
}

UniqueFd TreeWriter::open_parent(const std::string& path) const {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  return UniqueFd(check(static_cast<int>(syscall(SYS_openat2, root_.get(), name, &how, sizeof how)), "open " + path));
}

void TreeWriter::make_directory(const std::string& path, mode_t mode) {
  const Place place = place_of(path);
  check(mkdirat(place.parent, place.name.c_str(), private_mode | S_IXUSR), "make directory " + path);
  give_away(place);
  check(fchmodat(place.parent, place.name.c_str(), mode & 07777, 0), "chmod " + path);
}

UniqueFd TreeWriter::create_file(const std::string& path) {
  const Place place = place_of(path);
  UniqueFd fd(check(
      openat(place.parent, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, private_mode),
      "create " + path));
  give_away(place);
  return fd;
}

void TreeWriter::finish_file(int fd, mode_t mode, Time time) {
  check(fchmod(fd, mode & 07777), "chmod");
  set_time(fd, time);
}

void TreeWriter::write_file(const std::string& path, mode_t mode, Time time, std::string_view content) {
  const UniqueFd fd = create_file(path);
  write_all(fd.get(), content, path);
  finish_file(fd.get(), mode, time);
}

void TreeWriter::make_symbolic_link(const std::string& path, const std::string& target, Time time) {
  const Place place = place_of(path);
  check(symlinkat(target.c_str(), place.parent, place.name.c_str()), "link " + path);
  give_away(place);
  const UniqueFd fd(check(openat(place.parent, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "open " + path));
  set_time(fd.get(), time);
}

void TreeWriter::make_hard_link(const std::string& path, const std::string& target) {
  const std::string name(base_of(target));
  const UniqueFd directory = open_parent(std::string(parent_of(target)));
  const Place place = place_of(path);
  check(linkat(directory.get(), name.c_str(), place.parent, place.name.c_str(), 0), "link " + path + " to " + target);
}

void TreeWriter::make_special(const std::string& path, mode_t mode, dev_t device, Time time) {
  const Place place = place_of(path);
  check(mknodat(place.parent, place.name.c_str(), (mode & S_IFMT) | private_mode, device), "make node " + path);
  give_away(place);
  set_metadata(path, mode, time);
}

void TreeWriter::set_metadata(const std::string& path, mode_t mode, Time time) {
  const Place place = place_of(path);
  const UniqueFd fd(check(openat(place.parent, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "open " + path));
  set_mode(fd.get(), mode & 07777);
  set_time(fd.get(), time);
}

void TreeWriter::remove(const std::string& path) {
  try {
    const Place place = place_of(path);
    remove_entry(place.parent, place.name);
  } catch (const Error& error) {
    // It went with its parent, which may be something else by now.
    if (error.error() != ENOENT && error.error() != ENOTDIR) throw;
  }
  // A directory that is gone may have been the one that is kept open.
  cached_.reset();
}

}  // namespace gantry::archive
