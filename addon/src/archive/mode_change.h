#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

namespace gantry::archive {

/// What --chmod asks for: an octal mode, or chmod(1)'s symbols ("u=rwX,go-w").
class ModeChange {
 public:
  /// @throws Error for what is neither
  explicit ModeChange(std::string_view text);

  /// The mode bits of an object that has had `mode`.
  mode_t apply(mode_t mode, bool is_directory) const;

 private:
  struct Clause {
    mode_t who;
    char operation;
    /// Each of "rwxXst", or one of "ugo" to take over.
    std::string_view::value_type permission;
  };
  void parse_symbols(std::string_view text);

  bool absolute_ = false;
  mode_t mode_ = 0;
  std::vector<Clause> clauses_;
};

}  // namespace gantry::archive
