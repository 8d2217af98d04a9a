#include "archive/metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/root.h"
#include "isolation/error.h"

namespace gantry::archive {

void set_owner(int fd, Owner owner) { check(fchownat(fd, "", owner.uid, owner.gid, AT_EMPTY_PATH), "change owner"); }

void set_mode(int fd, mode_t mode) { check(chmod(descriptor_path(fd).c_str(), mode), "change mode"); }

void set_time(int fd, Time time) {
  constexpr int64_t last = 9'223'372'036;
  if (time.seconds < 0 || time.seconds > last) time = {};
  timespec value{};
  value.tv_sec = time.seconds;
  value.tv_nsec = time.nanoseconds;
  const timespec both[2] = {value, value};
  check(utimensat(fd, "", both, AT_EMPTY_PATH), "set times");
}

}  // namespace gantry::archive
