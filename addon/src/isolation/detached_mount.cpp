#include "isolation/detached_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "isolation/error.h"
#include "isolation/system_calls.h"

namespace gantry {
namespace {

/// The messages that the file system left in its context: "tmpfs: Bad value for 'size'".
std::string kernel_messages(int context) {
  std::string messages;
  char line[512];
  for (;;) {
    const ssize_t size = ::read(context, line, sizeof line);
    if (size <= 0) return messages;
    std::string_view text(line, static_cast<size_t>(size));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);  // severity
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    if (!messages.empty()) messages += "; ";
    messages += text;
  }
}

void configure(int context, unsigned command, const char* key, const char* value, const std::string& operation) {
  if (::fsconfig(context, static_cast<fsconfig_command>(command), key, value, 0) == 0) return;
  const int error = errno;
  throw Error(operation, error, kernel_messages(context));
}

void set_attributes(int mount, unsigned flags, mount_attr attributes, const std::string& name) {
  if (::mount_setattr(mount, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes) < 0)
    throw Error("set mount options of " + name);
}

}  // namespace

UniqueFd make_filesystem(const std::string& type, const std::string& source, const MountOptions& options) {
  const std::string operation = "mount " + type;
  UniqueFd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context) throw Error(operation);
  if (!source.empty()) configure(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), operation);
  for (const auto& [key, value] : options.parameters) {
    const std::string what = operation + " with " + key + (value ? "=" + *value : "");
    configure(context.get(), value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key.c_str(),
              value ? value->c_str() : nullptr, what);
  }
  configure(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, operation);
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(options.set | options.recursive_set)));
  if (!mount) throw Error(operation, errno, kernel_messages(context.get()));
  return mount;
}

UniqueFd clone_mount(const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(AT_FDCWD, path.c_str(), flags));
  if (!mount) throw Error("open bind source " + path);
  return mount;
}

UniqueFd clone_mount(int fd, bool recursive, const std::string& name) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(fd, "", flags));
  if (!mount) throw Error("copy mount of " + name);
  return mount;
}

UniqueFd open_below(int directory, const std::string& subpath, const std::string& name) {
  UniqueFd found(sys::openat2(directory, subpath.c_str(), O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
  if (found) return found;
  const int error = errno;
  const std::string operation = "open " + subpath, path = name + "/" + subpath;
  if (error == EXDEV)
    throw Error(operation, error,
                ErrorText{"path concatenation escapes the base directory, base: " + name + ", subpath: " + subpath});
  throw Error(operation, error, ErrorText{"cannot access path " + path + ": lstat " + path + ": " + errno_text(error)});
}

UniqueFd clone_below(int directory, const std::string& subpath, bool recursive, const std::string& name) {
  return clone_mount(open_below(directory, subpath, name).get(), recursive, name);
}

UniqueFd take_subpath(UniqueFd mount, int place, const std::string& subpath, const std::string& name) {
  const UniqueFd before(check(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), "open the working directory"));
  attach_mount(mount.get(), place, name);
  // Detached again whatever happens; the kernel takes only a name for that.
  const auto detach = [&] {
    if (::fchdir(mount.get()) < 0 || ::umount2(".", MNT_DETACH) < 0) throw Error("detach " + name);
    check(::fchdir(before.get()), "return to the working directory");
  };
  UniqueFd below;
  try {
    below = clone_below(mount.get(), subpath, false, name);
  } catch (...) {
    detach();
    throw;
  }
  detach();
  return below;
}

void set_mount_options(int mount, const MountOptions& options, const std::string& name) {
  // The type of propagation is one value for each call; a slave can be shared as well, so all are applied in turn.
  for (const MountOptions::Propagation& propagation : options.propagation)
    set_attributes(mount, propagation.recursive ? AT_RECURSIVE : 0, {0, 0, propagation.type, 0}, name);
  if ((options.recursive_set | options.recursive_clear) != 0)
    set_attributes(mount, AT_RECURSIVE, {options.recursive_set, options.recursive_clear, 0, 0}, name);
  if ((options.set | options.clear) != 0) set_attributes(mount, 0, {options.set, options.clear, 0, 0}, name);
}

void map_ids(int mount, int user_namespace, bool recursive, const std::string& name) {
  mount_attr attributes{MOUNT_ATTR_IDMAP, 0, 0, static_cast<uint64_t>(user_namespace)};
  if (::mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes, sizeof attributes) == 0)
    return;
  const int error = errno;
  throw Error("map the ids of " + name, error,
              error == EINVAL ? "the kernel or its file system does not support id-mapped mounts" : "");
}

void attach_mount(int mount, int target, const std::string& name) {
  if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    throw Error("mount on " + name);
}

}  // namespace gantry
