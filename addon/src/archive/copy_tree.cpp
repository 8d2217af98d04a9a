#include "archive/copy_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "archive/archive_sniff.h"
#include "archive/copy_content.h"
#include "archive/metadata.h"
#include "archive/mode_change.h"
#include "archive/path.h"
#include "archive/tree_children.h"
#include "archive/unpack.h"
#include "archive/whiteout.h"
#include "archive/xattr.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

Time modification_time(const struct stat& status) {
  return {status.st_mtim.tv_sec, static_cast<int32_t>(status.st_mtim.tv_nsec)};
}

bool is_directory(int parent, const std::string& name) {
  struct stat status;
  return fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

class Copier {
 public:
  Copier(const Root& source, const Root& destination, const CopyOptions& options)
      : source_(source), destination_(destination), options_(options), exclude_(options.exclude) {
    if (!options.mode.empty()) mode_.emplace(options.mode);
  }

  void copy(const CopyItem& item) {
    const UniqueFd object = source_.open(item.from, O_PATH);
    struct stat status;
    check(fstat(object.get(), &status), "stat " + item.from);
    if (S_ISDIR(status.st_mode)) {
      const std::string target = clean_path(item.to);
      const UniqueFd directory = make_parents(target);
      copy_children(object.get(), "", directory.get(), target, 0);
    } else {
      copy_file(object, status, item);
    }
  }

  const CopyResult& result() const noexcept { return result_; }

 private:
  Owner owner_of_new() const { return options_.owner ? *options_.owner : options_.default_owner; }

  UniqueFd make_parents(const std::string& path) {
    try {
      return make_directories(destination_.fd(), path, owner_of_new());
    } catch (const Error& error) {
      if (error.error() != ENOTDIR) throw;
      throw Error("cannot copy to non-directory: /" + path, ENOTDIR);
    }
  }

  void copy_file(const UniqueFd& object, const struct stat& status, const CopyItem& item) {
    const std::string name(base_of(clean_path(item.from)));
    if (exclude_.excludes(name) || exclude_.excludes(clean_path(item.from))) return;
    if (options_.unpack_archives && S_ISREG(status.st_mode) && unpack_archive(object, item)) return;
    std::string target = clean_path(item.to);
    const UniqueFd existing = destination_.try_open(target, O_PATH | O_DIRECTORY);
    const bool into = existing || item.to.empty() || item.to.back() == '/';
    if (into) target = join(target, name);
    const UniqueFd parent = make_parents(std::string(parent_of(target)));
    copy_object(object.get(), status, parent.get(), std::string(base_of(target)), "", target, 0);
  }

  bool unpack_archive(const UniqueFd& object, const CopyItem& item) {
    const UniqueFd file = reopen(object.get(), O_RDONLY | O_NOCTTY | O_NONBLOCK);
    if (!is_archive(file.get())) return false;
    const std::string target = clean_path(item.to);
    make_parents(target);
    UnpackOptions options;
    options.owner = options_.archive_owner;
    options.uid_map = options_.uid_map;
    options.gid_map = options_.gid_map;
    options.max_bytes = options_.max_bytes;
    options.max_entries = options_.max_entries;
    const UnpackResult unpacked = unpack(destination_, "/" + target, file.get(), options);
    result_.bytes += unpacked.bytes;
    result_.entries += unpacked.entries;
    return true;
  }

  void copy_children(int from, const std::string& path, int to, const std::string& target, int depth) {
    if (depth > max_tree_depth) throw Error("copy " + path, ENAMETOOLONG, "directories are nested too deeply");
    for_each_child(from, path, exclude_, [&](TreeObject& child) {
      const std::string child_target = join(target, child.name);
      if (child.excluded) return copy_exceptions(child, to, child_target, depth);
      copy_object(child.fd.get(), child.status, to, child.name, child.path, child_target, depth + 1);
    });
  }

  /// A directory that is left out, on the way to what may be taken back.
  struct Passage {
    /// The one it is in, unless that is made already.
    Passage* outer;
    int parent;
    const TreeObject& object;
    std::string target;
    UniqueFd made;
  };

  void copy_exceptions(TreeObject& child, int to, const std::string& target, int depth) {
    Passage passage{nullptr, to, child, target, {}};
    copy_through(passage, depth);
  }

  void copy_through(Passage& passage, int depth) {
    if (depth > max_tree_depth) {
      throw Error("copy " + passage.object.path, ENAMETOOLONG, "directories are nested too deeply");
    }
    for_each_child(passage.object.fd.get(), passage.object.path, exclude_, [&](TreeObject& inner) {
      const std::string target = join(passage.target, inner.name);
      if (inner.excluded) {
        Passage further{&passage, -1, inner, target, {}};
        return copy_through(further, depth + 1);
      }
      copy_object(inner.fd.get(), inner.status, make(passage), inner.name, inner.path, target, depth + 2);
    });
  }

  /// It is made only when something below it is taken back.
  int make(Passage& passage) {
    if (!passage.made) {
      const int parent = passage.outer == nullptr ? passage.parent : make(*passage.outer);
      const TreeObject& object = passage.object;
      passage.made = enter_directory(parent, object.name, object.status, passage.target);
    }
    return passage.made.get();
  }

  /// @param target its path in the destination, for messages and links
  void copy_object(int object, const struct stat& status, int parent, const std::string& name, const std::string& path,
                   const std::string& target, int depth) {
    ++result_.entries;
    if (options_.apply_whiteouts && is_whiteout(status)) return remove_entry(parent, name);
    if (S_ISDIR(status.st_mode)) {
      std::string opaque;
      const bool replaces = options_.apply_whiteouts && has_xattr(object, opaque_xattr, &opaque) && opaque == "y";
      if (replaces || (options_.apply_whiteouts && !is_directory(parent, name))) remove_entry(parent, name);
      const UniqueFd directory = enter_directory(parent, name, status, target);
      copy_children(object, path, directory.get(), target, depth);
      finish(object, status, directory.get());
      return;
    }
    if (options_.apply_whiteouts) remove_entry(parent, name);
    make_room(parent, name, target);
    if (S_ISREG(status.st_mode)) {
      copy_regular(object, status, parent, name, target);
      return;
    }
    if (S_ISLNK(status.st_mode)) {
      check(symlinkat(read_link(object, target).c_str(), parent, name.c_str()), "make link /" + target);
    } else {
      check(mknodat(parent, name.c_str(), status.st_mode, status.st_rdev), "make /" + target);
    }
    const UniqueFd made(check(openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "open /" + target));
    finish(object, status, made.get());
  }

  void copy_regular(int object, const struct stat& status, int parent, const std::string& name,
                    const std::string& target) {
    if (status.st_nlink > 1) {
      const auto [earlier, is_first] = links_.try_emplace({status.st_dev, status.st_ino}, target);
      if (!is_first && link_to(earlier->second, parent, name)) return;
    }
    const UniqueFd from = reopen(object, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    const UniqueFd to(check(openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600),
                            "create /" + target));
    result_.bytes += copy_content(from.get(), status, to.get(), "/" + target);
    finish(object, status, to.get());
  }

  bool link_to(const std::string& earlier, int parent, const std::string& name) {
    const UniqueFd file = destination_.try_open(earlier, O_PATH | O_NOFOLLOW);
    return file && linkat(AT_FDCWD, descriptor_path(file.get()).c_str(), parent, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  }

  UniqueFd enter_directory(int parent, const std::string& name, const struct stat& status, const std::string& target) {
    if (mkdirat(parent, name.c_str(), status.st_mode & 07777) < 0 && errno != EEXIST) {
      throw Error("make directory /" + target);
    }
    UniqueFd directory(openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (directory) return directory;
    if (errno == ENOTDIR || errno == ELOOP) throw Error("cannot copy to non-directory: /" + target, ENOTDIR);
    throw Error("open directory /" + target);
  }

  void make_room(int parent, const std::string& name, const std::string& target) {
    if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno == EISDIR) throw Error("cannot copy to a directory: /" + target, EISDIR);
    throw Error("replace /" + target);
  }

  /// Everything that an object has besides its content, its time last.
  void finish(int from, const struct stat& status, int to) const {
    set_owner(to, options_.owner ? *options_.owner : Owner{status.st_uid, status.st_gid});
    if (!S_ISLNK(status.st_mode)) {
      const bool is_directory = S_ISDIR(status.st_mode);
      set_mode(to, mode_ ? mode_->apply(status.st_mode, is_directory) : status.st_mode & 07777);
    }
    write_xattrs(to, read_xattrs(from, options_.root), options_.root);
    set_time(to, modification_time(status));
  }

  const Root& source_;
  const Root& destination_;
  const CopyOptions& options_;
  const ExcludePatterns exclude_;
  std::optional<ModeChange> mode_;
  CopyResult result_;
  /// Files with several names, by where the first went.
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

CopyResult copy_trees(const Root& source, const Root& destination, const std::vector<CopyItem>& items,
                      const CopyOptions& options) {
  Copier copier(source, destination, options);
  for (const CopyItem& item : items) copier.copy(item);
  return copier.result();
}

}  // namespace gantry::archive
