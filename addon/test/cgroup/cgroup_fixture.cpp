#include "cgroup/cgroup_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/error.h"
#include "isolation/unique_fd.h"

namespace gantry {

Inmate::Inmate(const Cgroup& cgroup, const std::function<int()>& body) {
  int ends[2];
  check(::pipe(ends), "create a pipe");
  UniqueFd gate_in(ends[0]), gate_out(ends[1]);
  pid_ = check(::fork(), "fork");
  if (pid_ == 0) {
    char go = 0;
    gate_out.reset();
    if (::read(gate_in.get(), &go, 1) != 1) ::_exit(99);
    ::_exit(body());
  }
  cgroup.attach(pid_, true);
  check(::write(gate_out.get(), "x", 1), "let a child go");
}

Inmate::~Inmate() {
  if (reaped_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int Inmate::wait() {
  int status = 0;
  check(::waitpid(pid_, &status, 0), "wait for a child");
  reaped_ = true;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int sleep_forever() {
  for (;;) ::pause();
}

void CgroupTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  parent_ = "/gantry-test-" + std::to_string(::getpid());
}

void CgroupTest::TearDown() {
  if (parent_.empty()) return;
  const Cgroup parent(parent_);
  parent.kill();
  parent.remove();
}

Cgroup CgroupTest::make(const std::string& name) {
  Cgroup cgroup(parent_ + "/" + name);
  cgroup.create();
  return cgroup;
}

bool CgroupTest::is_v2(const char* controller) {
  const CgroupHierarchy* hierarchy = CgroupLayout::get().find(controller);
  return hierarchy == nullptr || hierarchy->unified;
}

CgroupDirectory CgroupTest::directory(const Cgroup& cgroup, const char* controller) {
  const CgroupHierarchy* hierarchy = CgroupLayout::get().find(controller);
  if (hierarchy == nullptr) hierarchy = CgroupLayout::get().unified();
  return CgroupDirectory(*hierarchy, cgroup.path());
}

std::string CgroupTest::value(const Cgroup& cgroup, const char* controller, const char* v1, const char* v2) const {
  std::string text = directory(cgroup, controller).read(is_v2(controller) ? v2 : v1);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace gantry
