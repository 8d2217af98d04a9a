#include "archive/tree_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/path.h"
#include "archive/sha256.h"
#include "archive/tree_children.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

struct TooMuch {};

constexpr TreeDigestLimits no_limits = {UINT64_MAX, UINT64_MAX};
/// Of a limited reading: a list of names that is longer is not even begun.
constexpr int64_t max_limited_directory = 8192;

class TreeHasher {
 public:
  TreeHasher(const TreeDigestOptions& options, const TreeDigestLimits& limits)
      : exclude_(options.exclude),
        owner_(options.owner),
        left_(limits),
        limited_(limits.entries != UINT64_MAX),
        buffer_(limited_ ? 1 << 14 : 1 << 18, '\0') {}

  void add_top(const UniqueFd& object, const std::string& path) {
    struct stat status;
    check(fstat(object.get(), &status), "stat " + path);
    spend(status);
    if (S_ISDIR(status.st_mode)) {
      // Its content goes into a directory that is there already: what it is itself does not count.
      field("tree");
      add_children(object.get(), "", 0);
    } else {
      const std::string name(base_of(path));
      if (!exclude_.excludes(name)) add(object.get(), status, name, "", 0);
    }
  }

  std::string finish() { return hash_.finish(); }

 private:
  void add(int object, const struct stat& status, const std::string& name, const std::string& path, int depth) {
    field(name);
    number(status.st_mode);
    number(owner_ ? owner_->uid : status.st_uid);
    number(owner_ ? owner_->gid : status.st_gid);
    number(S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? status.st_rdev : 0);
    for (const auto& [key, value] : read_xattrs(object)) {
      field(key);
      field(value);
    }
    if (S_ISLNK(status.st_mode)) field(read_link(object, name));
    if (S_ISREG(status.st_mode)) add_content(object, status, name);
    if (S_ISDIR(status.st_mode)) add_children(object, path, depth);
  }

  void add_children(int object, const std::string& path, int depth) {
    if (depth > max_tree_depth) throw Error("read " + path, ENAMETOOLONG, "directories are nested too deeply");
    for_each_child(object, path, exclude_, [&](TreeObject& child) {
      spend(child.status);
      if (child.excluded) return add_exceptions(child, depth + 1);
      add(child.fd.get(), child.status, child.name, child.path, depth + 1);
    });
    field("end");
  }

  /// A directory that is left out counts only as where something below it is that is taken back.
  void add_exceptions(const TreeObject& directory, int depth) {
    if (depth > max_tree_depth)
      throw Error("read " + directory.path, ENAMETOOLONG, "directories are nested too deeply");
    for_each_child(directory.fd.get(), directory.path, exclude_, [&](TreeObject& child) {
      spend(child.status);
      if (child.excluded) return add_exceptions(child, depth + 1);
      number(directory.status.st_mode);
      add(child.fd.get(), child.status, child.path, child.path, depth + 1);
    });
  }

  void add_content(int object, const struct stat& status, const std::string& name) {
    number(static_cast<uint64_t>(status.st_size));
    if (status.st_size == 0) return;
    const UniqueFd file = reopen(object, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    for (;;) {
      const ssize_t got = ::read(file.get(), buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      check(got, "read " + name);
      if (got == 0) return;
      hash_.update({buffer_.data(), static_cast<size_t>(got)});
    }
  }

  /// @throws TooMuch
  void spend(const struct stat& status) {
    if (!limited_) return;
    const uint64_t bytes = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
    const bool long_directory = S_ISDIR(status.st_mode) && status.st_size > max_limited_directory;
    if (left_.entries == 0 || bytes > left_.bytes || long_directory) throw TooMuch();
    --left_.entries;
    left_.bytes -= bytes;
  }

  /// With its length, so that no two lists of fields are the same bytes.
  void field(std::string_view text) {
    number(text.size());
    hash_.update(text);
  }

  void number(uint64_t value) { hash_.update({reinterpret_cast<const char*>(&value), sizeof value}); }

  const ExcludePatterns exclude_;
  const std::optional<Owner> owner_;
  TreeDigestLimits left_;
  const bool limited_;
  Sha256 hash_;
  std::string buffer_;
};

}  // namespace

std::string tree_digest(const Root& root, const std::vector<std::string>& paths, const TreeDigestOptions& options) {
  return *tree_digest_within(root, paths, options, no_limits);
}

std::optional<std::string> tree_digest_within(const Root& root, const std::vector<std::string>& paths,
                                              const TreeDigestOptions& options, const TreeDigestLimits& limits) {
  TreeHasher hasher(options, limits);
  try {
    for (const std::string& path : paths) hasher.add_top(root.open(path, O_PATH), clean_path(path));
  } catch (const TooMuch&) {
    return std::nullopt;
  }
  return hasher.finish();
}

}  // namespace gantry::archive
