#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gantry {

struct SeccompArgument {
  unsigned index = 0;
  uint64_t value = 0, value_two = 0;
  /// "SCMP_CMP_EQ" and so on.
  std::string comparison;
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;
  std::optional<unsigned> errno_ret;
  std::vector<SeccompArgument> arguments;
  struct Condition {
    std::vector<std::string> capabilities, architectures;
    std::string min_kernel;
  } includes, excludes;
};

/// A profile as it stands in its JSON.
struct SeccompProfile {
  std::string default_action;
  std::optional<unsigned> default_errno_ret;
  /// "SCMP_ARCH_X86_64": for each architecture, the others that its kernel runs too.
  struct ArchitectureMap {
    std::string architecture;
    std::vector<std::string> sub_architectures;
  };
  std::vector<ArchitectureMap> architecture_map;
  std::vector<std::string> architectures;
  std::vector<SeccompRule> rules;
};

/// @throws Error that names the field
SeccompProfile parse_seccomp_profile(const std::string& json);

}  // namespace gantry
