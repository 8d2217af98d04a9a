#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "archive/byte_source.h"

namespace gantry::archive {

/// Hands bytes from one thread to another in blocks that are filled once and never copied. What lies between the two is
/// bounded, so the faster one waits.
class BlockQueue {
 public:
  static constexpr size_t block_size = 1 << 18;
  /// All blocks there are, those in hand included: 2 MiB.
  static constexpr size_t max_blocks = 8;

  struct Block {
    std::unique_ptr<char[]> data;
    size_t size = 0;
  };

  /// An empty block to fill. Waits for one.
  Block take_empty();
  /// Hands a filled block over; drops it when the reader has gone.
  void push(Block block);
  /// Nothing more will come. Without it the reader waits for ever.
  void finish();
  /// The next filled block, or one without bytes at the end. Waits for one.
  Block pop();
  void give_back(Block block);
  /// The reader wants nothing more; the writer is not held up any longer.
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> filled_;
  std::vector<Block> empty_;
  size_t made_ = 0;
  bool finished_ = false;
  bool closed_ = false;
};

/// The reader's end of a queue.
class QueuedPieces final : public PieceStream {
 public:
  explicit QueuedPieces(BlockQueue& queue) : queue_(queue) {}
  std::string_view next() override;

 private:
  BlockQueue& queue_;
  BlockQueue::Block current_;
};

}  // namespace gantry::archive
