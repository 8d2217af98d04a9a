#include "shim/diagnostics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "shim/timestamp.h"

namespace gantry::shim {

void diagnose(const char* format, ...) noexcept {
  char line[1024];
  size_t used = write_timestamp(now(), line);
  line[used++] = ' ';
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
  va_end(arguments);
  used += std::clamp<size_t>(static_cast<size_t>(std::max(length, 0)), 0, sizeof line - used - 2);
  line[used++] = '\n';
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line, used);
}

}  // namespace gantry::shim
