#include "isolation/mount_options.h"

#include <sys/mount.h>

#include <string_view>

#include "isolation/error.h"

namespace gantry {
namespace {

struct Attribute {
  std::string_view name;
  uint64_t set, clear;
};

// Every name also exists with a leading "r" for the whole tree (OCI runtime spec, "Linux mount options").
constexpr Attribute kAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", 0, MOUNT_ATTR__ATIME},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", 0, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", 0, MOUNT_ATTR__ATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

const Attribute* find_attribute(std::string_view name) {
  for (const Attribute& attribute : kAttributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

void apply(uint64_t& set, uint64_t& clear, const Attribute& attribute) {
  // A later option wins over an earlier one; the access time is one field, not a set of bits.
  set = (set & ~(attribute.set | attribute.clear)) | attribute.set;
  clear = (clear & ~attribute.set) | attribute.clear;
  if ((attribute.set & MOUNT_ATTR__ATIME) != 0 || (attribute.clear & MOUNT_ATTR__ATIME) != 0)
    clear |= MOUNT_ATTR__ATIME;
}

}  // namespace

std::optional<MountOptions::Propagation> parse_propagation(const std::string& name) {
  std::string_view type = name;
  const bool recursive = !type.empty() && type[0] == 'r';
  if (recursive) type.remove_prefix(1);
  if (type == "private") return MountOptions::Propagation{MS_PRIVATE, recursive};
  if (type == "shared") return MountOptions::Propagation{MS_SHARED, recursive};
  if (type == "slave") return MountOptions::Propagation{MS_SLAVE, recursive};
  if (type == "unbindable") return MountOptions::Propagation{MS_UNBINDABLE, recursive};
  return std::nullopt;
}

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions parsed;
  for (const std::string& option : options) {
    const std::string_view name = option;
    if (option.empty() || option == "defaults") continue;
    if (option == "bind" || option == "rbind") {
      parsed.bind = true;
      parsed.recursive_bind |= option == "rbind";
    } else if (option == "tmpcopyup") {
      parsed.copy_up = true;
    } else if (const auto propagation = parse_propagation(option)) {
      parsed.propagation.push_back(*propagation);
    } else if (const Attribute* attribute = find_attribute(name)) {
      apply(parsed.set, parsed.clear, *attribute);
    } else if (const Attribute* tree = name[0] == 'r' ? find_attribute(name.substr(1)) : nullptr) {
      apply(parsed.recursive_set, parsed.recursive_clear, *tree);
    } else if (option == "idmap" || option == "ridmap") {
      parsed.recursive_id_map |= option == "ridmap";
    } else if (const size_t equals = option.find('='); equals != std::string::npos) {
      parsed.parameters.emplace_back(option.substr(0, equals), option.substr(equals + 1));
    } else {
      parsed.parameters.emplace_back(option, std::nullopt);
    }
  }
  return parsed;
}

}  // namespace gantry
