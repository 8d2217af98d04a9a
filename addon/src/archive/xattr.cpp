#include "archive/xattr.h"

#include <sys/xattr.h>

#include <cerrno>
#include <string_view>

#include "archive/root.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

bool is_overlay_internal(std::string_view name) {
  return starts_with(name, "trusted.overlay.") || starts_with(name, "user.overlay.");
}

bool goes_into_archives(std::string_view name) {
  return name == "security.capability" || (starts_with(name, "user.") && !is_overlay_internal(name));
}

bool accepted_from_archives(std::string_view name) {
  return goes_into_archives(name) || starts_with(name, "system.posix_acl_") ||
         (starts_with(name, "trusted.") && !is_overlay_internal(name));
}

/// The list of names, "user.a\0user.b\0".
std::string list_names(const std::string& path) {
  std::string names;
  for (int attempt = 0; attempt < 8; ++attempt) {
    const ssize_t size = listxattr(path.c_str(), nullptr, 0);
    if (size <= 0) return {};
    names.resize(static_cast<size_t>(size));
    const ssize_t got = listxattr(path.c_str(), names.data(), names.size());
    if (got >= 0) {
      names.resize(static_cast<size_t>(got));
      return names;
    }
    if (errno != ERANGE) return {};
  }
  return {};
}

bool read_value(const std::string& path, const char* name, std::string& value) {
  value.resize(1 << 16);  // the kernel's limit for one value
  const ssize_t got = getxattr(path.c_str(), name, value.data(), value.size());
  if (got < 0) return false;
  value.resize(static_cast<size_t>(got));
  return true;
}

/// What GNU tar and Docker pass over: no attributes here, or not of this kind on such a file.
bool is_refusal(int error) { return error == ENOTSUP || error == EPERM || error == EINVAL; }

}  // namespace

Xattrs read_xattrs(int fd) {
  const std::string path = descriptor_path(fd);
  const std::string names = list_names(path);
  Xattrs result;
  for (size_t begin = 0; begin < names.size();) {
    const std::string name = names.c_str() + begin;
    begin += name.size() + 1;
    if (!goes_into_archives(name)) continue;
    std::string value;
    if (read_value(path, name.c_str(), value)) result.emplace_back(name, std::move(value));
  }
  return result;
}

bool has_xattr(int fd, const char* name, std::string* value) {
  std::string found;
  if (!read_value(descriptor_path(fd), name, found)) return false;
  if (value != nullptr) *value = std::move(found);
  return true;
}

void write_xattrs(int fd, const Xattrs& xattrs) {
  if (xattrs.empty()) return;
  const std::string path = descriptor_path(fd);
  for (const auto& [name, value] : xattrs) {
    if (!accepted_from_archives(name) || name.find('\0') != std::string::npos) continue;
    if (setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0 || is_refusal(errno)) continue;
    throw Error("set extended attribute " + name);
  }
}

void set_opaque(int fd) {
  check(setxattr(descriptor_path(fd).c_str(), opaque_xattr, "y", 1, 0), "mark directory opaque");
}

}  // namespace gantry::archive
