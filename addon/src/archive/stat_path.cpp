#include "archive/stat_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <utility>

#include "archive/path.h"
#include "archive/resolve.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

/// https://pkg.go.dev/io/fs#FileMode
uint32_t go_file_mode(mode_t mode) {
  uint32_t result = mode & 0777;
  switch (mode & S_IFMT) {
    case S_IFDIR:
      result |= 1u << 31;
      break;
    case S_IFLNK:
      result |= 1u << 27;
      break;
    case S_IFBLK:
      result |= 1u << 26;
      break;
    case S_IFCHR:
      result |= 1u << 26 | 1u << 21;
      break;
    case S_IFIFO:
      result |= 1u << 25;
      break;
    case S_IFSOCK:
      result |= 1u << 24;
      break;
    default:
      break;
  }
  if ((mode & S_ISUID) != 0) result |= 1u << 23;
  if ((mode & S_ISGID) != 0) result |= 1u << 22;
  if ((mode & S_ISVTX) != 0) result |= 1u << 20;
  return result;
}

std::string rfc3339(const timespec& time) {
  tm parts{};
  gmtime_r(&time.tv_sec, &parts);
  char text[64];
  std::string result(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
  if (time.tv_nsec != 0) {
    std::string fraction = std::to_string(1'000'000'000 + time.tv_nsec);
    fraction[0] = '.';
    result += fraction.substr(0, fraction.find_last_not_of('0') + 1);
  }
  return result + "Z";
}

/// The last component as Docker reports it: "/" for the root, "." for a path that ends in it.
std::string name_of(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  return std::string(base_of(std::string_view(path).substr(0, end + 1)));
}

bool follows_last(const std::string& path) {
  const std::string name = name_of(path);
  return path.empty() || path.back() == '/' || name == "." || name == "..";
}

}  // namespace

PathStat stat_path(const Root& root, const std::string& path) {
  const UniqueFd object = root.open(path, O_PATH | O_NOFOLLOW);
  struct stat status;
  check(fstat(object.get(), &status), "stat " + path);
  PathStat result;
  result.name = name_of(path);
  result.size = status.st_size;
  result.mode = go_file_mode(status.st_mode);
  result.uid = status.st_uid;
  result.gid = status.st_gid;
  result.mtime = rfc3339(status.st_mtim);
  result.resolved_path = resolve_in_root(root, path, follows_last(path));
  if (S_ISLNK(status.st_mode)) result.link_target = resolve_in_root(root, path, true);
  return result;
}

namespace {

struct OpenFile {
  UniqueFd object;
  uint64_t size;
};

OpenFile open_regular_file(const Root& root, const std::string& path) {
  UniqueFd object = root.open(path, O_PATH);
  struct stat status;
  check(fstat(object.get(), &status), "stat " + path);
  if (S_ISDIR(status.st_mode)) throw Error("read " + path, EISDIR);
  if (!S_ISREG(status.st_mode)) throw Error("read " + path, EINVAL, "not a regular file");
  return {std::move(object), static_cast<uint64_t>(status.st_size)};
}

std::string read_all(const UniqueFd& object, const std::string& path, uint64_t max_bytes) {
  const UniqueFd file = reopen(object.get(), O_RDONLY | O_NOCTTY | O_NONBLOCK);
  std::string content;
  char part[1 << 14];
  while (true) {
    const ssize_t got = ::read(file.get(), part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    check(got, "read " + path);
    if (got == 0) return content;
    content.append(part, static_cast<size_t>(got));
    if (content.size() > max_bytes) throw Error("read " + path, EFBIG);
  }
}

}  // namespace

std::string read_file(const Root& root, const std::string& path, uint64_t max_bytes) {
  return read_all(open_regular_file(root, path).object, path, max_bytes);
}

std::optional<std::string> read_small_file(const Root& root, const std::string& path, uint64_t small,
                                           uint64_t max_bytes) {
  const OpenFile file = open_regular_file(root, path);
  if (file.size > small) return std::nullopt;
  return read_all(file.object, path, max_bytes);
}

}  // namespace gantry::archive
