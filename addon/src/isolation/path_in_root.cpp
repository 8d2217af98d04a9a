#include "isolation/path_in_root.h"

#include <sys/stat.h>

#include <climits>
#include <vector>

#include "isolation/error.h"
#include "isolation/system_calls.h"

namespace gantry {
namespace {

constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
// What the kernel itself follows in one lookup.
constexpr int kMaxLinks = 40;

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> components;
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (end > start && path.compare(start, end - start, ".") != 0)
      components.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  return components;
}

/// The target of a symbolic link, or "" when `name` is none.
std::string read_link(int directory, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, name.c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<size_t>(size));
}

UniqueFd create_directory(int parent, const std::string& name, const std::string& path, mode_t mode) {
  if (::mkdirat(parent, name.c_str(), mode) < 0 && errno != EEXIST) throw Error("mkdir " + path);
  UniqueFd created(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!created) throw Error("open " + path);
  return created;
}

UniqueFd create_file(int parent, const std::string& name, const std::string& path) {
  UniqueFd created(::openat(parent, name.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755));
  if (!created) throw Error("create " + path);
  return created;
}

/// Creates what is missing if that is only the last name, which is the common case and takes three system calls.
/// Nothing when it is not, or something stands there after all: a link that leads nowhere, or "..".
UniqueFd create_last_in_root(int root, const std::string& path, bool directory, mode_t mode) {
  const UniqueFd parent = try_open_in_root(root, parent_of(path), O_PATH | O_DIRECTORY);
  const std::string name = name_of(path);
  if (!parent || name.empty()) return {};
  if (!directory)
    return UniqueFd(::openat(parent.get(), name.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755));
  if (::mkdirat(parent.get(), name.c_str(), mode) < 0) return {};
  return UniqueFd(::openat(parent.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// Walks down from the root, creating what is missing. A link that leads nowhere is replaced by its target and the walk
/// starts again, so that ".." and further links in it are resolved by the kernel too.
UniqueFd create_in_root(int root, std::string path, bool directory, mode_t mode) {
  if (UniqueFd created = create_last_in_root(root, path, directory, mode)) return created;
  int links = 0;
  for (;;) {
    const std::vector<std::string> components = components_of(path);
    UniqueFd current = open_in_root(root, "/", O_PATH | O_DIRECTORY);
    std::string prefix = "/";
    bool restarted = false;
    for (size_t i = 0; i < components.size() && !restarted; ++i) {
      const std::string& name = components[i];
      const std::string here = prefix + name;
      const bool last = i + 1 == components.size();
      if (UniqueFd existing = try_open_in_root(root, here)) {
        current = std::move(existing);
      } else if (errno != ENOENT) {
        throw Error("open " + here);
      } else if (const std::string target = read_link(current.get(), name); !target.empty()) {
        if (++links > kMaxLinks) throw Error("open " + here, ELOOP);
        path = target[0] == '/' ? target : prefix + target;
        for (size_t rest = i + 1; rest < components.size(); ++rest) path.append("/").append(components[rest]);
        restarted = true;
      } else if (name == "..") {
        throw Error("mkdir " + here, ENOENT);
      } else if (last && !directory) {
        current = create_file(current.get(), name, here);
      } else {
        current = create_directory(current.get(), name, here, mode);
      }
      prefix = here + "/";
    }
    if (!restarted) return current;
  }
}

}  // namespace

UniqueFd try_open_in_root(int root, const std::string& path, int flags) {
  return UniqueFd(sys::openat2(root, path.c_str(), static_cast<unsigned>(flags), kInside));
}

UniqueFd open_in_root(int root, const std::string& path, int flags) {
  UniqueFd fd = try_open_in_root(root, path, flags);
  if (!fd) throw Error("open " + path);
  return fd;
}

UniqueFd make_directory_in_root(int root, const std::string& path, mode_t mode) {
  if (UniqueFd existing = try_open_in_root(root, path, O_PATH | O_DIRECTORY)) return existing;
  if (errno != ENOENT) throw Error("mkdir " + path);
  return create_in_root(root, path, true, mode);
}

UniqueFd make_mount_point(int root, const std::string& path, bool directory) {
  if (UniqueFd existing = try_open_in_root(root, path)) return existing;
  if (errno != ENOENT) throw Error("open mount point " + path);
  return create_in_root(root, path, directory, 0755);
}

std::string parent_of(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  const size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

std::string name_of(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "";
  const size_t slash = path.rfind('/', end);
  return path.substr(slash == std::string::npos ? 0 : slash + 1,
                     end - (slash == std::string::npos ? 0 : slash + 1) + 1);
}

}  // namespace gantry
