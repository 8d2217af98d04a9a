#include "archive/layer_unpacker.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <exception>

#include "archive/background_thread.h"
#include "archive/path.h"
#include "archive/root.h"
#include "isolation/unique_fd.h"

namespace gantry::archive {
namespace {

/// Tells ext4 that the directories below have nothing to do with each other, so that each gets a part of the disk to
/// itself. Otherwise a layer's files would go where the last ones were, and inodes deleted there within the last
/// minute, which ext4 does not use yet, make each new file look over all of them. Other file systems need no hint.
void spread_children(const std::string& directory) {
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  unsigned int flags = 0;
  if (!fd || ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_TOPDIR_FL) != 0) return;
  flags |= FS_TOPDIR_FL;
  static_cast<void>(ioctl(fd.get(), FS_IOC_SETFLAGS, &flags));
}

}  // namespace

LayerUnpacker::LayerUnpacker(std::string directory, const UnpackOptions& options)
    : directory_(std::move(directory)), options_(options) {
  spread_children(std::string(parent_of(directory_)));
  check(mkdir(directory_.c_str(), 0755), "make directory " + directory_);
  check(chmod(directory_.c_str(), 0755), "make directory " + directory_);
  thread_ = std::thread([this] { run(); });
}

LayerUnpacker::~LayerUnpacker() {
  blocks_.finish();
  if (thread_.joinable()) thread_.join();
}

UnpackResult LayerUnpacker::finish() {
  blocks_.finish();
  thread_.join();
  return result_;
}

void LayerUnpacker::run() noexcept {
  try {
    enter_background();
    unshare_file_system_context();
    RootSpec spec;
    spec.path = directory_;
    const Root root(spec);
    QueuedPieces pieces(blocks_);
    ByteSource source(pieces);
    result_ = unpack(root, "/", source, options_);
  } catch (const Error& error) {
    error_ = error;
  } catch (const std::exception& error) {
    error_ = Error("unpack archive", 0, error.what());
  }
  blocks_.close();
}

}  // namespace gantry::archive
