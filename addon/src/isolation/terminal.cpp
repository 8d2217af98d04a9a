#include "isolation/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "isolation/detached_mount.h"
#include "isolation/error.h"
#include "isolation/path_in_root.h"
#include "isolation/spec_field.h"

namespace gantry {

Terminal open_terminal(int root, const nlohmann::json& console_size) {
  const UniqueFd pts = open_in_root(root, "/dev/pts", O_PATH | O_DIRECTORY);
  struct statfs file_system;
  if (::fstatfs(pts.get(), &file_system) < 0 || file_system.f_type != DEVPTS_SUPER_MAGIC)
    throw Error("open terminal", 0, "/dev/pts is not a devpts file system");

  Terminal terminal;
  terminal.master = UniqueFd(::openat(pts.get(), "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.master) throw Error("open /dev/pts/ptmx");
  int locked = 0;
  check(::ioctl(terminal.master.get(), TIOCSPTLCK, &locked), "unlock the terminal");
  // The peer comes from the kernel: no path in the container is involved.
  terminal.slave = UniqueFd(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.slave) throw Error("open the terminal's other end");

  winsize size{};
  size.ws_row = field_or<unsigned short>(console_size, "height", 0);
  size.ws_col = field_or<unsigned short>(console_size, "width", 0);
  if (size.ws_row != 0 || size.ws_col != 0)
    check(::ioctl(terminal.master.get(), TIOCSWINSZ, &size), "set the size of the terminal");
  return terminal;
}

void bind_console(int root, const Terminal& terminal) {
  const UniqueFd target = make_mount_point(root, "/dev/console", false);
  attach_mount(clone_mount(terminal.slave.get(), false, "terminal").get(), target.get(), "/dev/console");
}

void control_terminal(const Terminal& terminal) {
  for (int fd = 0; fd <= 2; ++fd) check(::dup2(terminal.slave.get(), fd), "dup2");
  check(::ioctl(0, TIOCSCTTY, 0), "set controlling terminal");
}

}  // namespace gantry
