#include "archive/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "archive/path.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// With ".." in a path the kernel gives up (EAGAIN) when something is renamed meanwhile.
constexpr int max_attempts = 64;
/// Each level of a removal holds a descriptor.
constexpr int max_depth = 2048;

void remove_directory(int parent, const std::string& name, int depth) {
  if (depth > max_depth) throw Error("remove " + name, ENAMETOOLONG, "directories are nested too deeply");
  const UniqueFd directory(
      check(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open " + name));
  for (const std::string& child : list_directory(directory.get())) {
    if (unlinkat(directory.get(), child.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) throw Error("remove " + child);
    remove_directory(directory.get(), child, depth + 1);
  }
  check(unlinkat(parent, name.c_str(), AT_REMOVEDIR), "remove " + name);
}

}  // namespace

UniqueFd open_beneath(int root, const std::string& path, int flags) noexcept {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  long fd = -1;
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    fd = syscall(SYS_openat2, root, name, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return UniqueFd(static_cast<int>(fd));
}

UniqueFd make_directories(int root, const std::string& path, Owner owner) {
  UniqueFd found = open_beneath(root, path, O_PATH | O_DIRECTORY);
  if (found) return found;
  if (errno != ENOENT || path.empty()) throw Error("open directory " + path);
  const UniqueFd parent = make_directories(root, std::string(parent_of(path)), owner);
  const std::string name(base_of(path));
  if (mkdirat(parent.get(), name.c_str(), 0755) == 0) {
    check(fchownat(parent.get(), name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW), "chown " + path);
  } else if (errno != EEXIST) {
    throw Error("make directory " + path);
  }
  // Looked up again from the root: what is there may be a link, whose target has to stay inside as well.
  found = open_beneath(root, path, O_PATH | O_DIRECTORY);
  if (!found) throw Error("open directory " + path);
  return found;
}

std::vector<std::string> list_directory(int directory) {
  const int copy = check(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(copy), closedir);
  if (!stream) {
    close(copy);
    throw Error("read directory");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) throw Error("read directory");
  std::sort(names.begin(), names.end());
  return names;
}

void remove_entry(int parent, const std::string& name) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw Error("remove " + name);
  remove_directory(parent, name, 0);
}

}  // namespace gantry::archive
