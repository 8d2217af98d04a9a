#include "shim/output_reader.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace gantry::shim {
namespace {

constexpr size_t kChunk = 64 * 1024;
/// What a pipe can hold at most is this many chunks, so that drain() ends although someone goes on writing.
constexpr int kMaxRemainingChunks = 64;
alignas(4096) char shared_chunk[kChunk];

}  // namespace

OutputReader::OutputReader(EventLoop& loop, UniqueFd file, Stream stream, OutputSink& sink)
    : loop_(loop), file_(std::move(file)), stream_(stream), sink_(sink) {
  loop_.watch(file_.get(), EPOLLIN, *this);
}

OutputReader::~OutputReader() {
  if (file_) loop_.unwatch(file_.get());
}

void OutputReader::on_ready(uint32_t) { read_once(); }

bool OutputReader::read_once() {
  ssize_t length = read(file_.get(), shared_chunk, kChunk);
  if (length < 0 && errno == EINTR) return true;
  if (length < 0 && errno == EAGAIN) return false;
  if (length <= 0) {
    // A terminal without a process on it reports EIO.
    end();
    return false;
  }
  sink_.on_output(stream_, shared_chunk, static_cast<size_t>(length));
  return true;
}

void OutputReader::pause(bool paused) {
  if (!file_ || paused == paused_) return;
  paused_ = paused;
  // An event mask of 0 would still report EPOLLHUP, over and over.
  if (paused)
    loop_.unwatch(file_.get());
  else
    loop_.watch(file_.get(), EPOLLIN, *this);
}

void OutputReader::drain() {
  for (int chunk = 0; file_ && chunk < kMaxRemainingChunks; ++chunk) {
    if (!read_once()) break;
  }
}

void OutputReader::finish() {
  drain();
  if (file_) end();
}

void OutputReader::end() {
  if (!paused_) loop_.unwatch(file_.get());
  file_.reset();
  sink_.on_output_end(stream_);
}

void OutputReader::release_memory() noexcept { madvise(shared_chunk, kChunk, MADV_DONTNEED); }

}  // namespace gantry::shim
