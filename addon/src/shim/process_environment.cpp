#include "shim/process_environment.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

void show_bundle(char* argument, const std::string& bundle) noexcept {
  constexpr char kFlag[] = "--bundle";
  const size_t room = strlen(argument);
  if (sizeof kFlag + bundle.size() > room) return;
  memset(argument, 0, room);
  memcpy(argument, kFlag, sizeof kFlag);
  memcpy(argument + sizeof kFlag, bundle.data(), bundle.size());
}

void release_unused_memory() noexcept {
  malloc_trim(0);
  dl_iterate_phdr(drop_read_only_pages, nullptr);
}

}  // namespace gantry::shim
