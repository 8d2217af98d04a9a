#include "archive/tree_children.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "archive/directory.h"
#include "archive/path.h"
#include "isolation/error.h"

namespace gantry::archive {

void for_each_child(int object, const std::string& path, const ExcludePatterns& exclude,
                    const std::function<void(TreeObject&)>& visit) {
  const UniqueFd directory(check(openat(object, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open directory " + path));
  for (const std::string& name : list_directory(directory.get())) {
    TreeObject child;
    child.name = name;
    child.path = join(path, name);
    child.excluded = exclude.excludes(child.path);
    if (child.excluded && !exclude.has_exceptions()) continue;
    child.fd = UniqueFd(openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!child.fd && errno == ENOENT) continue;  // removed meanwhile
    check(fstat(check(child.fd.get(), "open " + child.path), &child.status), "stat " + child.path);
    if (S_ISSOCK(child.status.st_mode) || (child.excluded && !S_ISDIR(child.status.st_mode))) continue;
    visit(child);
  }
}

std::string read_link(int fd, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = check(readlinkat(fd, "", target.data(), target.size()), "read link " + name);
  target.resize(static_cast<size_t>(size));
  return target;
}

}  // namespace gantry::archive
