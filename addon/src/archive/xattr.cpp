#include "archive/xattr.h"

#include <linux/capability.h>
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

constexpr char capability_xattr[] = "security.capability";

std::string root_bytes(uint32_t root) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(root >> shift));
  return bytes;
}

/// vfs_cap_data of linux/capability.h with its revision changed. In a user namespace only revision 3 holds, which ends
/// with who its root is; in an archive that means nothing.
std::string with_root(std::string capability, uint32_t root) {
  if (root == 0 || capability.size() != XATTR_CAPS_SZ_2) return capability;
  capability[3] = VFS_CAP_REVISION_3 >> 24;
  return capability + root_bytes(root);
}

std::string without_root(std::string capability, uint32_t root) {
  if (root == 0 || capability.size() != XATTR_CAPS_SZ_3) return capability;
  if (capability.compare(XATTR_CAPS_SZ_2, 4, root_bytes(root)) != 0) return capability;
  capability.resize(XATTR_CAPS_SZ_2);
  capability[3] = VFS_CAP_REVISION_2 >> 24;
  return capability;
}

/// What GNU tar and Docker pass over: no attributes here, or not of this kind on such a file.
bool is_refusal(int error) { return error == ENOTSUP || error == EPERM || error == EINVAL; }

}  // namespace

Xattrs read_xattrs(int fd, uint32_t root) {
  const std::string path = descriptor_path(fd);
  const std::string names = list_names(path);
  Xattrs result;
  for (size_t begin = 0; begin < names.size();) {
    const std::string name = names.c_str() + begin;
    begin += name.size() + 1;
    if (!goes_into_archives(name)) continue;
    std::string value;
    if (!read_value(path, name.c_str(), value)) continue;
    if (name == capability_xattr) value = without_root(std::move(value), root);
    result.emplace_back(name, std::move(value));
  }
  return result;
}

bool has_xattr(int fd, const char* name, std::string* value) {
  std::string found;
  if (!read_value(descriptor_path(fd), name, found)) return false;
  if (value != nullptr) *value = std::move(found);
  return true;
}

void write_xattrs(int fd, const Xattrs& xattrs, uint32_t root) {
  if (xattrs.empty()) return;
  const std::string path = descriptor_path(fd);
  for (const auto& [name, value] : xattrs) {
    if (!accepted_from_archives(name) || name.find('\0') != std::string::npos) continue;
    const std::string kept = name == capability_xattr ? with_root(value, root) : value;
    if (setxattr(path.c_str(), name.c_str(), kept.data(), kept.size(), 0) == 0 || is_refusal(errno)) continue;
    throw Error("set extended attribute " + name);
  }
}

void set_opaque(int fd) {
  check(setxattr(descriptor_path(fd).c_str(), opaque_xattr, "y", 1, 0), "mark directory opaque");
}

}  // namespace gantry::archive
