#include "shim/process_stdio.h"

#include <fcntl.h>
#include <unistd.h>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

/// Room for a burst of output, so that process and shim change places less often.
constexpr int kOutputPipeSize = 256 * 1024;

void make_nonblocking(int fd) { check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), "set O_NONBLOCK"); }

void open_pipe(UniqueFd& reading, UniqueFd& writing) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC), "pipe2");
  reading.reset(ends[0]);
  writing.reset(ends[1]);
}

UniqueFd open_null() { return UniqueFd(check(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null")); }

void open_output(bool wanted, UniqueFd& process_end, UniqueFd& own_end) {
  if (!wanted) {
    process_end = open_null();
    return;
  }
  open_pipe(own_end, process_end);
  make_nonblocking(own_end.get());
  fcntl(own_end.get(), F_SETPIPE_SZ, kOutputPipeSize);  // the default does as well, where a limit forbids more
}

}  // namespace

ProcessStdio::ProcessStdio(const Wanted& wanted) {
  if (wanted.input) {
    open_pipe(input_, own_.input);
    make_nonblocking(own_.input.get());
  } else {
    input_ = open_null();
  }
  open_output(wanted.output, output_, own_.output);
  open_output(wanted.error, error_, own_.error);
}

void ProcessStdio::close_process_ends() noexcept {
  input_.reset();
  output_.reset();
  error_.reset();
}

OwnEnds terminal_ends(UniqueFd master) {
  OwnEnds ends;
  make_nonblocking(master.get());
  ends.input.reset(check(fcntl(master.get(), F_DUPFD_CLOEXEC, 3), "duplicate terminal"));
  ends.output = std::move(master);
  return ends;
}

}  // namespace gantry::shim
