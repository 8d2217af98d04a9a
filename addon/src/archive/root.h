#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "archive/directory.h"
#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

/// A host path, or an image, to attach inside an overlay root.
struct Bind {
  std::string source;
  std::string target;
  bool readonly = false;
  /// What of the source is attached; resolved inside of it.
  std::string subpath{};
  /// The layers of an image, topmost first, instead of a path; `source` is then its name for messages.
  std::vector<std::string> layers{};
  /// How to show the ids of its files; empty for as they are.
  IdMaps shown{};
};

/// What daemon/runtime/addon.ts calls a Root.
struct RootSpec {
  enum class Kind { directory, process, overlay };
  Kind kind = Kind::directory;
  std::string path;
  pid_t pid = 0;
  std::vector<std::string> lower;
  std::string upper;
  std::string work;
  std::vector<Bind> binds;
  /// Of the mount points that are made for the binds, as it is on the disk.
  Owner owner;
  /// How to show the ids of the layers' files; empty for as they are.
  IdMaps shown;
};

class OverlayRoot;

/// An opened root. Paths are resolved by the kernel and cannot leave it (openat2, RESOLVE_IN_ROOT): absolute paths and
/// links start at the root, ".." stops there.
class Root {
 public:
  /// Opens the root. The calling thread gets a umask, and for an overlay with binds a mount namespace, for itself, so
  /// it must be one that ends with the operation.
  explicit Root(const RootSpec& spec);
  ~Root();
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  int fd() const noexcept { return fd_; }
  /// Opens `path` with open(2) flags; O_NOFOLLOW concerns its last component. @throws Error
  UniqueFd open(const std::string& path, int flags) const;
  /// As open(), but an empty descriptor and errno on failure.
  UniqueFd try_open(const std::string& path, int flags) const noexcept;

 private:
  std::unique_ptr<OverlayRoot> overlay_;
  UniqueFd own_;
  int fd_ = -1;
};

/// Makes the calling thread's root directory, working directory and umask its own, the umask 0 so that modes are
/// exactly those asked for. @throws Error
void unshare_file_system_context();

/// A path to the object behind a descriptor, for the system calls that refuse an O_PATH descriptor.
std::string descriptor_path(int fd);

/// Opens for reading what an O_PATH descriptor refers to, without looking up its name again.
UniqueFd reopen(int fd, int flags);

}  // namespace gantry::archive
