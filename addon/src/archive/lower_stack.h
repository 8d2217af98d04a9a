#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "isolation/unique_fd.h"

namespace gantry::archive {

/// One directory as overlayfs merges it from layers: whiteouts and opaque directories are honoured.
class LowerStack {
 public:
  LowerStack() = default;
  /// @param layers topmost first
  explicit LowerStack(const std::vector<std::string>& layers);

  /// What the layers show under this name.
  std::optional<struct stat> find(const std::string& name, UniqueFd* object = nullptr) const;
  /// The merged directory of this name; empty if it is none.
  LowerStack enter(const std::string& name) const;
  /// Every name the layers show here, sorted.
  std::vector<std::string> names() const;

 private:
  /// Descriptors of the directories that make up this one, topmost first.
  std::vector<UniqueFd> directories_;
};

}  // namespace gantry::archive
