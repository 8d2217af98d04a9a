#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "archive/archive_input.h"
#include "archive/blob.h"
#include "archive/tar_reader.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {

/// See ArchiveMember in daemon/runtime/addon.ts.
struct ArchiveMember {
  std::string name;
  std::string type;
  std::string link;
  uint64_t size = 0;
};

/// An archive of `docker save` or of an OCI layout, read from its front to its end.
class ImageArchive {
 public:
  explicit ImageArchive(UniqueFd input) : fd_(std::move(input)) {}

  /// Goes to the next member, over what is left of this one's content. Nothing at the end.
  std::optional<ArchiveMember> next();
  /// The content of this member, at most `max_bytes` of it.
  std::string read(uint64_t max_bytes);
  /// Stores the content of this member; see receive_blob().
  ReceivedBlob receive(const std::string& path, const BlobOptions& options);

 private:
  /// The content of the current member.
  class MemberStream;

  const UniqueFd fd_;
  /// Opened by the first call, as it reads.
  std::optional<ArchiveInput> input_;
  std::optional<TarReader> reader_;
};

}  // namespace gantry::archive
