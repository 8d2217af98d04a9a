#include "archive/layer_unpacker.h"

#include <sys/stat.h>

#include <exception>

#include "archive/background_thread.h"
#include "archive/root.h"

namespace gantry::archive {

LayerUnpacker::LayerUnpacker(std::string directory, const UnpackOptions& options)
    : directory_(std::move(directory)), options_(options) {
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
