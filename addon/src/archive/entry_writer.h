#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "archive/tar_reader.h"
#include "archive/unpack.h"

namespace gantry::archive {

/// Makes the entries of an archive, one after the other, below a directory of a root.
class EntryWriter {
 public:
  EntryWriter(const Root& root, std::string base, const UnpackOptions& options);

  /// Makes one entry; regular files take their content from `reader`.
  void write(const TarEntry& entry, TarReader& reader);
  /// Sets the directories' times, which everything made inside them has changed.
  void finish();
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  /// Where an entry goes.
  struct Place {
    int parent;
    std::string name;
    /// A whiteout of the same archive stood there.
    bool was_whiteout = false;
  };
  struct DirectoryTime {
    std::string path;
    Time time;
  };

  Place place_of(const std::string& path);
  UniqueFd make_parents(const std::string& path);
  void replace_whiteouts_above(const std::string& path);
  template <typename Attempt>
  int create(Place& place, const TarEntry& entry, Attempt attempt);
  void clear(Place& place, const TarEntry& entry);

  void write_whiteout(const std::string& path);
  void write_top(const TarEntry& entry);
  void write_directory(const std::string& path, const TarEntry& entry);
  void write_regular(const std::string& path, const TarEntry& entry, TarReader& reader);
  void write_hard_link(const std::string& path, const TarEntry& entry);
  void write_special(const std::string& path, const TarEntry& entry);
  void copy_content(int fd, const TarEntry& entry, TarReader& reader);
  void apply(int fd, const TarEntry& entry) const;

  const Root& root_;
  const std::string base_;
  const UnpackOptions& options_;
  /// Of directories that the archive does not name.
  const Owner default_owner_;
  uint64_t bytes_ = 0;
  /// The directory of the entry before: archives come sorted, so most entries need no lookup.
  std::string cached_path_;
  UniqueFd cached_;
  std::vector<DirectoryTime> directories_;
};

}  // namespace gantry::archive
