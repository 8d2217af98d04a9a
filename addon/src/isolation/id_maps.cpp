#include "isolation/id_maps.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/spec_field.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

using nlohmann::json;

uint32_t outside(const std::vector<IdRange>& ranges, uint32_t inside, const char* kind) {
  for (const IdRange& range : ranges)
    if (inside >= range.inside && inside - range.inside < range.size) return range.outside + (inside - range.inside);
  throw Error(std::string(kind) + " " + std::to_string(inside), 0, "not mapped in the user namespace");
}

std::vector<IdRange> read_ranges(const json& mappings) {
  std::vector<IdRange> ranges;
  for (const json& mapping : mappings)
    ranges.push_back({mapping.at("containerID").get<uint32_t>(), mapping.at("hostID").get<uint32_t>(),
                      mapping.at("size").get<uint32_t>()});
  return ranges;
}

void write_map(pid_t pid, const char* file, const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges)
    text.append(std::to_string(range.inside))
        .append(" ")
        .append(std::to_string(range.outside))
        .append(" ")
        .append(std::to_string(range.size))
        .append("\n");
  const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw Error(std::string("write ") + file);
}

}  // namespace

uid_t IdMaps::user_outside(uid_t inside) const { return users.empty() ? inside : outside(users, inside, "user id"); }

gid_t IdMaps::group_outside(gid_t inside) const {
  return groups.empty() ? inside : outside(groups, inside, "group id");
}

IdMaps read_id_maps(const json& object) {
  return {read_ranges(field(object, "uidMappings")), read_ranges(field(object, "gidMappings"))};
}

void write_id_maps(pid_t pid, const IdMaps& maps) {
  write_map(pid, "uid_map", maps.users);
  write_map(pid, "gid_map", maps.groups);
}

}  // namespace gantry
