#include "archive/copy_content.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t most_at_once = 1 << 30;

void copy_range(int from, int to, off_t offset, off_t end, const std::string& name) {
  check(lseek(to, offset, SEEK_SET), "seek " + name);
  while (offset < end) {
    const auto wanted = std::min(static_cast<size_t>(end - offset), most_at_once);
    const ssize_t done = sendfile(to, from, &offset, wanted);
    if (done < 0 && errno == EINTR) continue;
    check(done, "write " + name);
    if (done == 0) throw Error("copy " + name, 0, "a file became shorter while it was read");
  }
}

}  // namespace

uint64_t copy_content(int from, const struct stat& status, int to, const std::string& name) {
  const off_t size = status.st_size;
  constexpr blkcnt_t block = 512;
  if (size == 0) return 0;
  if (status.st_blocks * block >= size) {
    copy_range(from, to, 0, size, name);
    return static_cast<uint64_t>(size);
  }
  uint64_t copied = 0;
  off_t begin = lseek(from, 0, SEEK_DATA);
  while (begin >= 0 && begin < size) {
    const off_t end = std::min(check(lseek(from, begin, SEEK_HOLE), "find a hole in " + name), size);
    copy_range(from, to, begin, end, name);
    copied += static_cast<uint64_t>(end - begin);
    begin = lseek(from, end, SEEK_DATA);
  }
  if (begin < 0 && errno != ENXIO) throw Error("find data in " + name);
  check(ftruncate(to, size), "extend " + name);
  return copied;
}

}  // namespace gantry::archive
