#include "isolation/user.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "isolation/error.h"
#include "isolation/path_in_root.h"

namespace gantry {
namespace {

constexpr size_t kMaxFileSize = 8 << 20;
constexpr int64_t kMaxId = 2147483647;

/// The content of a database file; empty when it is absent. Never waits on a FIFO or reads a device.
std::string read_database(int root, const std::string& path) {
  const UniqueFd file = try_open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return "";
    throw Error("open " + path);
  }
  struct stat status;
  if (::fstat(file.get(), &status) < 0) throw Error("stat " + path);
  if (!S_ISREG(status.st_mode)) throw Error("read " + path, 0, "not a regular file");
  if (static_cast<size_t>(status.st_size) > kMaxFileSize) throw Error("read " + path, EFBIG);
  std::string content;
  char buffer[8192];
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size < 0) throw Error("read " + path);
    if (size == 0) return content;
    content.append(buffer, static_cast<size_t>(size));
    if (content.size() > kMaxFileSize) throw Error("read " + path, EFBIG);
  }
}

/// A whole decimal number that fits 64 bits, with an optional sign, as Go's strconv.Atoi has it.
std::optional<int64_t> parse_number(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return std::nullopt;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

uint32_t checked_id(int64_t value) {
  if (value < 0 || value > kMaxId)
    throw Error("resolve user", EINVAL, ErrorText{"uids and gids must be in range 0-2147483647"});
  return static_cast<uint32_t>(value);
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t start = line.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return line.substr(start, line.find_last_not_of(kSpace) - start + 1);
}

using Fields = std::array<std::string_view, 7>;

/// Calls `visit` with the colon-separated fields of every line until it returns true. Missing fields are empty.
template <typename Visit>
void for_each_entry(std::string_view content, Visit visit) {
  while (!content.empty()) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = trimmed(content.substr(0, end));
    content.remove_prefix(std::min(end + 1, content.size()));
    if (line.empty()) continue;
    Fields fields;
    for (size_t i = 0; i < fields.size() && !line.empty(); ++i) {
      const size_t colon = std::min(line.find(':'), line.size());
      fields[i] = line.substr(0, colon);
      line.remove_prefix(std::min(colon + 1, line.size()));
    }
    if (visit(fields)) return;
  }
}

/// An id in a file: anything that cannot be one makes the line void.
std::optional<uint32_t> id_field(std::string_view text) {
  const auto value = parse_number(text);
  if (!value || *value < 0 || *value > kMaxId) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

struct PasswdEntry {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::string home;
};

template <typename Matches>
std::optional<PasswdEntry> find_user(std::string_view passwd, Matches matches) {
  std::optional<PasswdEntry> found;
  for_each_entry(passwd, [&](const Fields& fields) {
    const auto uid = id_field(fields[2]);
    const auto gid = id_field(fields[3]);
    if (!uid || !gid || !matches(fields[0], *uid)) return false;
    found = PasswdEntry{std::string(fields[0]), *uid, *gid, std::string(fields[5])};
    return true;
  });
  return found;
}

bool lists(std::string_view members, std::string_view user) {
  while (!members.empty()) {
    const size_t comma = std::min(members.find(','), members.size());
    if (members.substr(0, comma) == user) return true;
    members.remove_prefix(std::min(comma + 1, members.size()));
  }
  return false;
}

std::vector<gid_t> memberships(std::string_view group, std::string_view user) {
  std::vector<gid_t> groups;
  for_each_entry(group, [&](const Fields& fields) {
    const auto gid = id_field(fields[2]);
    if (gid && lists(fields[3], user)) groups.push_back(*gid);
    return false;
  });
  return groups;
}

gid_t resolve_group(std::string_view group_file, std::string_view name) {
  if (const auto number = parse_number(name)) return checked_id(*number);
  std::optional<gid_t> found;
  for_each_entry(group_file, [&](const Fields& fields) {
    if (fields[0] == name) found = id_field(fields[2]);
    return found.has_value();
  });
  if (!found)
    throw Error("resolve group", ENOENT,
                ErrorText{"unable to find group " + std::string(name) + ": no matching entries in group file"});
  return *found;
}

std::optional<PasswdEntry> find_user(std::string_view passwd, std::string_view user) {
  if (user.empty()) return find_user(passwd, [](std::string_view, uid_t uid) { return uid == 0; });
  if (const auto number = parse_number(user))
    return find_user(passwd, [&](std::string_view, uid_t uid) { return uid == *number; });
  auto found = find_user(passwd, [&](std::string_view name, uid_t) { return name == user; });
  if (!found)
    throw Error("resolve user", ENOENT,
                ErrorText{"unable to find user " + std::string(user) + ": no matching entries in passwd file"});
  return found;
}

void add_group(std::vector<gid_t>& groups, gid_t gid) {
  if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
}

}  // namespace

UserIdentity resolve_user(int root, std::string_view spec, const std::vector<std::string>& additional) {
  const size_t colon = std::min(spec.find(':'), spec.size());
  const std::string_view user = spec.substr(0, colon);
  const std::string_view group = colon < spec.size() ? spec.substr(colon + 1) : std::string_view();

  UserIdentity identity;
  const auto entry = find_user(read_database(root, "/etc/passwd"), user);
  if (entry) {
    identity.uid = entry->uid;
    identity.gid = entry->gid;
  } else if (!user.empty()) {
    identity.uid = checked_id(*parse_number(user));
  }

  const std::string group_file = read_database(root, "/etc/group");
  std::vector<gid_t> memberships_of_user;
  if (!group.empty()) {
    identity.gid = resolve_group(group_file, group);
  } else if (entry) {
    memberships_of_user = memberships(group_file, entry->name);
  }
  add_group(identity.groups, identity.gid);
  for (const gid_t gid : memberships_of_user) add_group(identity.groups, gid);
  for (const std::string& name : additional) add_group(identity.groups, resolve_group(group_file, name));
  return identity;
}

std::string home_directory(int root, uid_t uid) {
  const auto entry =
      find_user(read_database(root, "/etc/passwd"), [&](std::string_view, uid_t found) { return found == uid; });
  return entry && !entry->home.empty() ? entry->home : "/";
}

}  // namespace gantry
