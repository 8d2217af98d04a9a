#pragma once

#include <string>

#include "archive/root.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

/// An overlay. With binds it is attached in a private mount namespace that the calling thread gets, without any it
/// stays a detached mount: then a thread can have several.
class OverlayRoot {
 public:
  explicit OverlayRoot(const RootSpec& spec);
  /// Unmounts it: what was opened below must be closed by now.
  ~OverlayRoot();
  OverlayRoot(const OverlayRoot&) = delete;
  OverlayRoot& operator=(const OverlayRoot&) = delete;

  /// The root directory.
  int fd() const noexcept { return mount_.get(); }

 private:
  void attach(const RootSpec& spec);
  void detach() noexcept;

  /// A directory that surely exists is covered: the topmost of the overlay's own.
  std::string mount_point_;
  /// Made for this mount alone; empty for a read-only overlay.
  std::string work_;
  UniqueFd mount_;
  bool attached_ = false;
};

}  // namespace gantry::archive
