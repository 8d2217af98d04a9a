#include "archive/overlay_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "archive/directory.h"
#include "archive/metadata.h"
#include "archive/path.h"
#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/rootfs.h"
#include "isolation/user_namespace.h"

namespace gantry::archive {
namespace {

/// Opens a mount point below `root`, made if it is absent, as a directory or as an empty file.
UniqueFd open_mount_point(int root, const std::string& path, bool directory, Owner owner) {
  const std::string clean = clean_path("/" + path);
  if (clean.empty() || escapes(clean)) throw Error("attach a volume at " + path, EINVAL);
  UniqueFd found = open_beneath(root, clean, O_PATH);
  if (found) return found;
  if (errno != ENOENT) throw Error("open mount point /" + clean);
  if (directory) return make_directories(root, clean, owner);
  const UniqueFd parent = make_directories(root, std::string(parent_of(clean)), owner);
  check(mknodat(parent.get(), std::string(base_of(clean)).c_str(), S_IFREG | 0755, 0), "make /" + clean);
  found = open_beneath(root, clean, O_PATH);
  if (!found) throw Error("open mount point /" + clean);
  set_owner(found.get(), owner);
  return found;
}

/// @param place a directory on which a detached mount may be attached for a moment
UniqueFd open_volume(const Bind& bind, int place) {
  if (!bind.layers.empty()) {
    UniqueFd image = mount_overlay(bind.layers, "", "", OverlaySync::ordinary, bind.shown);
    return bind.subpath.empty() ? std::move(image) : take_subpath(std::move(image), place, bind.subpath, bind.source);
  }
  UniqueFd tree;
  if (bind.subpath.empty()) {
    tree = clone_mount(bind.source, true);
  } else {
    const UniqueFd base(check(open(bind.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + bind.source));
    tree = clone_below(base.get(), bind.subpath, true, bind.source);
  }
  if (!bind.shown.empty()) map_ids(tree.get(), create_user_namespace(bind.shown).get(), false, bind.source);
  MountOptions options;
  if (bind.readonly) options.recursive_set = MOUNT_ATTR_RDONLY;
  set_mount_options(tree.get(), options, bind.source);
  return tree;
}

void move_to(int tree, int target, const std::string& name) {
  check(syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        "attach " + name);
}

bool is_directory(int fd) {
  struct stat status;
  check(fstat(fd, &status), "stat volume");
  return S_ISDIR(status.st_mode);
}

}  // namespace

OverlayRoot::OverlayRoot(const RootSpec& spec) {
  if (spec.lower.empty()) throw Error("mount overlay", EINVAL, "it has no lower directory");
  unshare_file_system_context();
  if (!spec.binds.empty()) {
    check(unshare(CLONE_NEWNS), "unshare mount namespace");
    check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
  }
  mount_point_ = spec.upper.empty() ? spec.lower.front() : spec.upper;
  if (!spec.upper.empty()) {
    std::string pattern = (spec.work.empty() ? spec.upper : spec.work) + ".XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw Error("make work directory " + pattern);
    work_ = pattern;
    check(chown(pattern.c_str(), spec.owner.uid, spec.owner.gid), "change owner of " + pattern);
  }
  try {
    attach(spec);
  } catch (...) {
    detach();
    throw;
  }
}

OverlayRoot::~OverlayRoot() { detach(); }

void OverlayRoot::attach(const RootSpec& spec) {
  // Sources are host paths: looked up before the overlay can cover any of them.
  std::vector<UniqueFd> volumes;
  volumes.reserve(spec.binds.size());
  const UniqueFd place(check(open(mount_point_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open " + mount_point_));
  for (const Bind& bind : spec.binds) volumes.push_back(open_volume(bind, place.get()));

  // Unmounting would otherwise wait until everything on the upper directory's file system is on the disk.
  mount_ = mount_overlay(spec.lower, spec.upper, work_, work_.empty() ? OverlaySync::ordinary : OverlaySync::never,
                         spec.shown);
  if (spec.binds.empty()) return;
  const Owner owner = spec.shown.empty() ? spec.owner : Owner{};
  move_to(mount_.get(), place.get(), "overlay");
  attached_ = true;
  for (size_t i = 0; i < volumes.size(); ++i) {
    const UniqueFd target = open_mount_point(mount_.get(), spec.binds[i].target, is_directory(volumes[i].get()), owner);
    move_to(volumes[i].get(), target.get(), spec.binds[i].target);
  }
}

void OverlayRoot::detach() noexcept {
  mount_.reset();
  if (attached_) umount2(mount_point_.c_str(), MNT_DETACH);
  if (work_.empty()) return;
  try {
    remove_entry(AT_FDCWD, work_);
  } catch (const Error&) {
    // It lies in the container's directory and goes with it.
  }
}

}  // namespace gantry::archive
