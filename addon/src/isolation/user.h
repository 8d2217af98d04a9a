#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace gantry {

/// Who a process runs as.
struct UserIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Looks up Docker's `user[:group]` (also "", "uid", ":group") in /etc/passwd and /etc/group below the directory
/// descriptor `root`, which is hostile. `additional` are names or numbers of further groups (HostConfig.GroupAdd).
///
/// The rules are Docker's: what looks like a number is one, whether or not it is in the files; the user's primary group
/// is among the supplementary ones; a given group replaces the memberships that /etc/group lists. Unlike Docker, a line
/// whose ids are not numbers is no entry at all (Docker takes such a user for root).
/// @throws Error with Docker's wording: "unable to find user foo: no matching entries in passwd file"
UserIdentity resolve_user(int root, std::string_view user, const std::vector<std::string>& additional);

/// The home directory of the first entry with this uid; "/" when there is none.
std::string home_directory(int root, uid_t uid);

}  // namespace gantry
