#include "isolation/command_lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "isolation/container.h"

namespace gantry {
namespace {

constexpr int kCannotInvoke = 126;
constexpr int kNotFound = 127;

/// 0, or why the calling user cannot execute `path`.
int executable_error(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) < 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0 ? errno : 0;
}

[[noreturn]] void fail(const std::string& command, int error, int exit_code, const std::string& reason) {
  throw ProcessError("exec", error, exit_code, ErrorText{"exec: \"" + command + "\": " + reason});
}

std::string check_path(const std::string& path) {
  const int error = executable_error(path);
  switch (error) {
    case 0:
      return path;
    case EISDIR:
      fail(path, error, kCannotInvoke, "is a directory: permission denied");
    case EACCES:
    case EPERM:
      fail(path, error, kCannotInvoke, errno_text(error));
    default:
      fail(path, error, kNotFound, "stat " + path + ": " + errno_text(error));
  }
}

}  // namespace

std::string find_command(const std::string& command, std::string_view search_path) {
  if (command.find('/') != std::string::npos) return check_path(command);
  while (!command.empty() && !search_path.empty()) {
    const size_t colon = std::min(search_path.find(':'), search_path.size());
    const std::string directory(search_path.substr(0, colon));
    search_path.remove_prefix(std::min(colon + 1, search_path.size()));
    // A relative directory would depend on where the process happens to be; Go's lookup refuses it as well.
    if (directory.empty() || directory[0] != '/') continue;
    const std::string path = directory + (directory.back() == '/' ? "" : "/") + command;
    if (executable_error(path) == 0) return path;
  }
  fail(command, ENOENT, kNotFound, "executable file not found in $PATH");
}

}  // namespace gantry
