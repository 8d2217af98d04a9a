#pragma once

#include <optional>
#include <string>
#include <thread>

#include "archive/block_queue.h"
#include "archive/unpack.h"
#include "isolation/error.h"

namespace gantry::archive {

/// Unpacks a layer on a thread of its own while another still produces its bytes.
class LayerUnpacker {
 public:
  /// Makes `directory` and starts. @throws Error
  LayerUnpacker(std::string directory, const UnpackOptions& options);
  /// Waits for the thread, which ends at the next block if finish() was not called.
  ~LayerUnpacker();
  LayerUnpacker(const LayerUnpacker&) = delete;
  LayerUnpacker& operator=(const LayerUnpacker&) = delete;

  BlockQueue& blocks() noexcept { return blocks_; }
  /// To be called after the last block. What was wrong with the layer is in error() afterwards.
  UnpackResult finish();
  const std::optional<Error>& error() const noexcept { return error_; }

 private:
  void run() noexcept;

  const std::string directory_;
  const UnpackOptions options_;
  BlockQueue blocks_;
  UnpackResult result_;
  std::optional<Error> error_;
  std::thread thread_;
};

}  // namespace gantry::archive
