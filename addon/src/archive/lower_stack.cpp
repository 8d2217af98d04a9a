#include "archive/lower_stack.h"

#include <fcntl.h>

#include <set>

#include "archive/directory.h"
#include "archive/whiteout.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

bool is_opaque(int directory) {
  std::string value;
  return has_xattr(directory, opaque_xattr, &value) && value == "y";
}

}  // namespace

LowerStack::LowerStack(const std::vector<std::string>& layers) {
  for (const std::string& layer : layers) {
    directories_.emplace_back(check(open(layer.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open layer " + layer));
  }
}

std::optional<struct stat> LowerStack::find(const std::string& name, UniqueFd* object) const {
  for (const UniqueFd& directory : directories_) {
    UniqueFd found(openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!found && errno == ENOENT) continue;
    if (!found) throw Error("open " + name + " in a layer");
    struct stat status;
    check(fstat(found.get(), &status), "stat " + name + " in a layer");
    if (is_whiteout(status)) return std::nullopt;
    if (object != nullptr) *object = std::move(found);
    return status;
  }
  return std::nullopt;
}

LowerStack LowerStack::enter(const std::string& name) const {
  LowerStack result;
  for (const UniqueFd& directory : directories_) {
    UniqueFd child(openat(directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child && errno == ENOENT) continue;
    if (!child && (errno == ENOTDIR || errno == ELOOP)) break;  // a whiteout, or a file that hides what lies below
    if (!child) throw Error("open " + name + " in a layer");
    const bool opaque = is_opaque(child.get());
    result.directories_.push_back(std::move(child));
    if (opaque) break;
  }
  return result;
}

std::vector<std::string> LowerStack::names() const {
  std::set<std::string> all;
  for (const UniqueFd& directory : directories_) {
    for (std::string& name : list_directory(directory.get())) all.insert(std::move(name));
  }
  std::vector<std::string> visible;
  for (const std::string& name : all) {
    if (find(name)) visible.push_back(name);
  }
  return visible;
}

}  // namespace gantry::archive
