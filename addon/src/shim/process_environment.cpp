#include "shim/process_environment.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "isolation/unique_fd.h"
#include "shim/diagnostics.h"

namespace gantry::shim {
namespace {

/// The kernel takes the shim only when there is nothing else to take: with it the whole container would die.
constexpr char kOomScore[] = "-999";

void settle_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  // Caught, not ignored: what is ignored would still be ignored in the container after its execve.
  for (int number : {SIGHUP, SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2}) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
}

void protect_from_oom_killer() {
  UniqueFd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), kOomScore, strlen(kOomScore)) < 0) diagnose("oom_score_adj cannot be lowered");
}

/// Unmodified pages of the executable; they come back from the page cache when they are touched.
int drop_read_only_pages(dl_phdr_info* object, size_t, void*) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int index = 0; index < object->dlpi_phnum; ++index) {
    const auto& segment = object->dlpi_phdr[index];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
  }
  return 1;  // the executable comes first; shared libraries are shared
}

}  // namespace

void settle_environment(unsigned first_unknown) {
  settle_signals();
  umask(022);
  close_range(first_unknown, ~0U, 0);
  // Large pieces come from and go back to the kernel one by one.
  mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  protect_from_oom_killer();
}

void show_command_line(char** given, int count, const std::vector<std::string>& arguments) noexcept {
  // The kernel has put the given ones one behind the other.
  char* place = given[0];
  char* const end = given[count - 1] + std::strlen(given[count - 1]);
  for (const std::string& each : arguments) {
    const size_t length = std::min(each.size() + 1, static_cast<size_t>(end - place));
    std::memcpy(place, each.c_str(), length);
    place += length;
  }
  std::memset(place, 0, static_cast<size_t>(end - place));
}

void release_unused_memory() noexcept {
  malloc_trim(0);
  dl_iterate_phdr(drop_read_only_pages, nullptr);
}

}  // namespace gantry::shim
