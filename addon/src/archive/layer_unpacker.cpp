#include "archive/layer_unpacker.h"

#include <sys/stat.h>
#include <unistd.h>

#include <exception>

#include "archive/background_thread.h"
#include "archive/path.h"
#include "archive/placement.h"
#include "archive/root.h"

namespace gantry::archive {
namespace {

/// Each layer gets a part of the disk to itself. What is only a matter of speed stops nothing.
void try_to_spread_children(const std::string& directory) {
  try {
    spread_subdirectories(directory);
  } catch (const Error&) {
  }
}

}  // namespace

LayerUnpacker::LayerUnpacker(std::string directory, const UnpackOptions& options)
    : directory_(std::move(directory)), options_(options) {
  try_to_spread_children(std::string(parent_of(directory_)));
  check(mkdir(directory_.c_str(), 0755), "make directory " + directory_);
  check(chmod(directory_.c_str(), 0755), "make directory " + directory_);
  check(chown(directory_.c_str(), options_.uid_map.to_host(0), options_.gid_map.to_host(0)),
        "change owner of " + directory_);
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
