#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "archive/directory.h"
#include "archive/metadata.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

/// Changes a tree of files that somebody else describes, entry by entry. Paths are resolved by the kernel below the
/// directory, and none of them leads through a symbolic link. A parent has to be there already.
class TreeWriter {
 public:
  /// @param owner of everything that is made @throws Error
  TreeWriter(const std::string& directory, Owner owner);

  void make_directory(const std::string& path, mode_t mode);
  /// A whole small file, which must not be there.
  void write_file(const std::string& path, mode_t mode, Time time, std::string_view content);
  /// A new file, to be written to; it gets its mode and time from finish_file().
  UniqueFd create_file(const std::string& path);
  static void finish_file(int fd, mode_t mode, Time time);
  void make_symbolic_link(const std::string& path, const std::string& target, Time time);
  void make_hard_link(const std::string& path, const std::string& target);
  /// @param mode with the type of the file: a fifo, a device
  void make_special(const std::string& path, mode_t mode, dev_t device, Time time);
  /// Of what is no symbolic link.
  void set_metadata(const std::string& path, mode_t mode, Time time);
  /// With all that is below; absence is fine.
  void remove(const std::string& path);

 private:
  struct Place {
    int parent;
    std::string name;
  };
  Place place_of(const std::string& path);
  UniqueFd open_parent(const std::string& path) const;
  /// To be called before the mode is set: a change of owner takes bits of it away.
  void give_away(const Place& place) const;

  UniqueFd root_;
  Owner owner_;
  /// The directory of the entry before: they come sorted, so most need no lookup.
  std::string cached_path_;
  UniqueFd cached_;
};

}  // namespace gantry::archive
