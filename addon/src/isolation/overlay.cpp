#include "isolation/overlay.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/rootfs.h"
#include "isolation/user_namespace.h"

namespace gantry {
namespace {

bool set_string(int context, const char* key, const std::string& value) {
  return ::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
}

std::string kernel_message(int context) {
  char message[512];
  const ssize_t size = ::read(context, message, sizeof message);
  return std::string(message, size > 0 ? static_cast<size_t>(size) : 0);
}

}  // namespace

UniqueFd mount_overlay_by_context(const std::vector<std::string>& lower, const std::string& upper,
                                  const std::string& work, OverlaySync sync) {
  const UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) throw Error("mount overlay");
  // What df and mount show as the device.
  if (!set_string(context.get(), "source", "overlay")) throw Error("mount overlay");
  for (const std::string& layer : lower)
    if (!set_string(context.get(), "lowerdir+", layer)) throw Error("mount overlay", errno, "layer " + layer);
  if (!upper.empty()) {
    if (!set_string(context.get(), "upperdir", upper)) throw Error("mount overlay", errno, "upper directory " + upper);
    if (!set_string(context.get(), "workdir", work)) throw Error("mount overlay", errno, "work directory " + work);
  }
  if (sync == OverlaySync::never && ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) < 0)
    throw Error("mount overlay", errno, "volatile");
  for (const auto& [key, value] : kOverlayOptions)
    if (!set_string(context.get(), key, value)) throw Error("mount overlay", errno, key);
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    const int error = errno;
    throw Error("mount overlay", error, kernel_message(context.get()));
  }
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, upper.empty() ? MOUNT_ATTR_RDONLY : 0));
  if (!mount) throw Error("mount overlay");
  return mount;
}

UniqueFd mount_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                       OverlaySync sync, const IdMaps& shown) {
  if (lower.empty()) throw Error("mount overlay", EINVAL, "no layers");
  if (upper.empty() && lower.size() == 1) {
    // An overlay of one directory alone does not exist.
    UniqueFd mount = mount_directory(lower[0]);
    MountOptions options;
    options.set = MOUNT_ATTR_RDONLY;
    if (!shown.empty()) map_ids(mount.get(), create_user_namespace(shown).get(), false, lower[0]);
    set_mount_options(mount.get(), options, lower[0]);
    return mount;
  }
  if (!shown.empty()) return mount_mapped_overlay(lower, upper, work, sync, create_user_namespace(shown).get());
  try {
    return mount_overlay_by_context(lower, upper, work, sync);
  } catch (const Error& error) {
    if (error.error() != EINVAL) throw;
    // Either a kernel that does not know `lowerdir+` (before 6.5 it says so only at the end), or a real mistake, for
    // which this kernel's words are better than the older interface's.
    try {
      return mount_overlay_in_namespace(lower, upper, work, sync);
    } catch (const Error& second) {
      if (second.error() == EINVAL) throw error;
      throw;
    }
  }
}

}  // namespace gantry
