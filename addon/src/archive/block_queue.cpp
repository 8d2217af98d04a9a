#include "archive/block_queue.h"

#include <utility>

namespace gantry::archive {

BlockQueue::Block BlockQueue::take_empty() {
  std::unique_lock lock(mutex_);
  if (empty_.empty() && made_ < max_blocks) {
    Block block{std::unique_ptr<char[]>(new char[block_size]), 0};
    ++made_;
    return block;
  }
  changed_.wait(lock, [this] { return !empty_.empty(); });
  Block block = std::move(empty_.back());
  empty_.pop_back();
  return block;
}

void BlockQueue::push(Block block) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    empty_.push_back(std::move(block));
  } else {
    filled_.push_back(std::move(block));
  }
  changed_.notify_all();
}

void BlockQueue::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

BlockQueue::Block BlockQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finished_ || !filled_.empty(); });
  if (filled_.empty()) return {};
  Block block = std::move(filled_.front());
  filled_.pop_front();
  return block;
}

void BlockQueue::give_back(Block block) {
  const std::lock_guard lock(mutex_);
  empty_.push_back(std::move(block));
  changed_.notify_all();
}

void BlockQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Block& block : filled_) empty_.push_back(std::move(block));
  filled_.clear();
  changed_.notify_all();
}

std::string_view QueuedPieces::next() {
  if (current_.data) queue_.give_back(std::move(current_));
  current_ = queue_.pop();
  return {current_.data.get(), current_.size};
}

}  // namespace gantry::archive
