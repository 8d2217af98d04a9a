#include "isolation/cgroup_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <memory>

#include "isolation/error.h"

namespace gantry {
namespace {

std::string clean(std::string_view path) {
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      throw Error("resolve cgroup path \"" + std::string(path) + "\"", EINVAL);
    begin = end + 1;
  }
  return std::string(path);
}

std::string read_all(int fd, const std::string& operation) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = check(::read(fd, buffer, sizeof buffer), operation);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

/// A cgroup that is removed while it is read answers ENODEV.
bool is_gone(int error) { return error == ENOENT || error == ENODEV; }

}  // namespace

std::string read_whole(int directory, const std::string& path) {
  UniqueFd file(check(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC), "open " + path));
  return read_all(file.get(), "read " + path);
}

CgroupDirectory::CgroupDirectory(const CgroupHierarchy& hierarchy, std::string_view path)
    : hierarchy_(&hierarchy), relative_(clean(path)) {}

std::string CgroupDirectory::name() const {
  return relative_.empty() ? hierarchy_->mount_point : hierarchy_->mount_point + "/" + relative_;
}

std::string CgroupDirectory::file_path(std::string_view file) const {
  std::string path = relative_;
  if (!path.empty()) path.push_back('/');
  return path.append(file);
}

CgroupDirectory CgroupDirectory::parent() const {
  CgroupDirectory result = *this;
  const size_t slash = relative_.rfind('/');
  result.relative_ = slash == std::string::npos ? "" : relative_.substr(0, slash);
  return result;
}

CgroupDirectory CgroupDirectory::child(std::string_view name) const {
  CgroupDirectory result = *this;
  result.relative_ = file_path(name);
  return result;
}

std::vector<std::string> CgroupDirectory::child_names() const {
  std::vector<std::string> result;
  UniqueFd fd(::openat(hierarchy_->root.get(), directory_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return result;
  if (!fd) throw Error("open " + name());
  struct stat status = {};
  // kernfs counts subdirectories in the links, which spares reading a leaf.
  if (::fstat(fd.get(), &status) == 0 && status.st_nlink == 2) return result;
  std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(fd.get()), ::closedir);
  if (!entries) throw Error("read directory " + name());
  (void)fd.release();
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view entry_name = entry->d_name;
    if (entry->d_type == DT_DIR && entry_name != "." && entry_name != "..") result.emplace_back(entry_name);
  }
  return result;
}

std::vector<CgroupDirectory> CgroupDirectory::children() const {
  std::vector<CgroupDirectory> result;
  for (const std::string& each : child_names()) result.push_back(child(each));
  return result;
}

bool CgroupDirectory::exists() const { return ::faccessat(hierarchy_->root.get(), directory_path(), F_OK, 0) == 0; }

std::optional<bool> CgroupDirectory::try_make() const {
  if (::mkdirat(hierarchy_->root.get(), directory_path(), 0755) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno == ENOENT) return std::nullopt;
  throw Error("create cgroup " + name());
}

bool CgroupDirectory::try_remove() const {
  if (::unlinkat(hierarchy_->root.get(), directory_path(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  if (errno == EBUSY) return false;
  throw Error("remove cgroup " + name());
}

std::string CgroupDirectory::read(std::string_view file) const {
  return read_all(open_file(file, O_RDONLY).get(), "read " + name() + "/" + std::string(file));
}

std::optional<std::string> CgroupDirectory::read_if_present(std::string_view file) const {
  UniqueFd fd(::openat(hierarchy_->root.get(), file_path(file).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && is_gone(errno)) return std::nullopt;
  if (!fd) throw Error("open " + name() + "/" + std::string(file));
  try {
    return read_all(fd.get(), "read " + name() + "/" + std::string(file));
  } catch (const Error& error) {
    // EOPNOTSUPP: a file that is there but not in this configuration.
    if (is_gone(error.error()) || error.error() == EOPNOTSUPP) return std::nullopt;
    throw;
  }
}

void CgroupDirectory::write(std::string_view file, std::string_view value) const {
  const int error = try_write(file, value);
  if (error != 0) throw Error("write " + std::string(value) + " to " + name() + "/" + std::string(file), error);
}

int CgroupDirectory::try_write(std::string_view file, std::string_view value) const {
  UniqueFd fd(::openat(hierarchy_->root.get(), file_path(file).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), value.data(), value.size()) < 0 ? errno : 0;
}

bool CgroupDirectory::has_file(std::string_view file) const {
  return ::faccessat(hierarchy_->root.get(), file_path(file).c_str(), F_OK, 0) == 0;
}

UniqueFd CgroupDirectory::open_file(std::string_view file, int flags) const {
  return UniqueFd(check(::openat(hierarchy_->root.get(), file_path(file).c_str(), flags | O_CLOEXEC),
                        "open " + name() + "/" + std::string(file)));
}

UniqueFd CgroupDirectory::open_directory() const {
  return UniqueFd(
      check(::openat(hierarchy_->root.get(), directory_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + name()));
}

std::vector<pid_t> CgroupDirectory::own_processes() const {
  std::vector<pid_t> result;
  // A threaded v2 cgroup keeps its processes in the list of its domain.
  const std::string text = read_if_present("cgroup.procs").value_or("");
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    pid_t pid = 0;
    const auto [next, error] = std::from_chars(at, end, pid);
    if (error != std::errc() || next == at) break;
    // 0: a process of another pid namespace.
    if (pid > 0) result.push_back(pid);
    at = next + 1;
  }
  return result;
}

std::vector<pid_t> CgroupDirectory::processes() const {
  std::vector<pid_t> result = own_processes();
  for (const CgroupDirectory& below : children()) {
    const std::vector<pid_t> more = below.processes();
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

}  // namespace gantry
