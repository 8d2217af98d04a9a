#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "archive/pack.h"
#include "archive/tar_entry.h"
#include "archive/unpack.h"
#include "isolation/error.h"

namespace gantry::archive::test {

/// A directory of its own below /var/tmp (a real file system: tmpfs has no user.* attributes everywhere), removed at
/// the end. `root` inside it is what archives are unpacked into; everything beside it must stay as it was.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string root() const { return path_ + "/root"; }
  /// A path inside the root.
  std::string in(const std::string& name) const { return root() + "/" + name; }

 private:
  std::string path_;
};

/// One raw tar header, so that tests can say what no tar program would write.
struct RawEntry {
  std::string name;
  char type = '0';
  std::string content;
  std::string link;
  uint32_t mode = 0644;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t mtime = 1'000'000;
  uint32_t major = 0;
  uint32_t minor = 0;
  /// Overrides the size field.
  std::string size_field;
};

std::string raw(const RawEntry& entry);
/// A pax header with these records.
std::string pax(const std::vector<std::pair<std::string, std::string>>& records);
std::string end_of_archive();
/// All entries and the end.
std::string archive_of(const std::vector<RawEntry>& entries);

RootSpec directory(const std::string& path);

/// Unpacks bytes into `path` of a directory root, through a pipe.
UnpackResult unpack_bytes(const std::string& root, const std::string& bytes, const UnpackOptions& options = {},
                          const std::string& path = "/");
/// The message of the Error that unpacking ends with; "" if it succeeds.
std::string unpack_failure(const std::string& root, const std::string& bytes, const UnpackOptions& options = {},
                           const std::string& path = "/");
std::string pack_bytes(const std::string& root, const std::string& path, const PackOptions& options = {});

void write_file(const std::string& path, const std::string& content);
std::string read_file(const std::string& path);
struct stat status_of(const std::string& path);
bool exists(const std::string& path);
/// Runs a command of the test itself (GNU tar, a compressor) and expects it to succeed; gives its output.
std::string run(const std::string& command);
/// Every path below a directory with type, mode, owner, size and content hash: equal listings are equal trees.
std::string listing(const std::string& path);
size_t open_descriptors();

}  // namespace gantry::archive::test
