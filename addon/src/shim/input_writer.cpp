#include "shim/input_writer.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace gantry::shim {

InputWriter::InputWriter(EventLoop& loop, UniqueFd file, std::function<void()> on_drained)
    : loop_(loop), file_(std::move(file)), on_drained_(std::move(on_drained)) {}

InputWriter::~InputWriter() { close(); }

bool InputWriter::write(const char* data, size_t length) {
  if (!file_ || closing_) return true;
  pending_.append(data, length);
  if (!watched_) flush();
  return pending_.empty();
}

void InputWriter::close_when_drained() {
  closing_ = true;
  if (pending_.empty()) close();
}

void InputWriter::on_ready(uint32_t) {
  flush();
  if (pending_.empty()) on_drained_();
}

void InputWriter::flush() {
  while (!pending_.empty()) {
    ssize_t written = ::write(file_.get(), pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      // Watched only now: a pipe whose reader has gone reports an error all the time.
      if (!watched_) loop_.watch(file_.get(), EPOLLOUT, *this);
      watched_ = true;
      return;
    }
    if (written < 0) return close();
    pending_.erase(0, static_cast<size_t>(written));
  }
  std::string().swap(pending_);
  if (watched_) loop_.unwatch(file_.get());
  watched_ = false;
  if (closing_) close();
}

void InputWriter::close() {
  if (watched_) loop_.unwatch(file_.get());
  watched_ = false;
  file_.reset();
  pending_.clear();
}

}  // namespace gantry::shim
