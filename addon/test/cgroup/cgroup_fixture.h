#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "isolation/cgroup.h"
#include "isolation/cgroup_directory.h"

namespace gantry {

/// A child process inside a cgroup; killed and reaped on scope exit.
class Inmate {
 public:
  /// Runs `body` in a child that has been moved into the cgroup; its result is the exit code.
  Inmate(const Cgroup& cgroup, const std::function<int()>& body);
  ~Inmate();
  pid_t pid() const { return pid_; }
  /// The exit code, or 128 + the signal.
  int wait();

 private:
  pid_t pid_ = -1;
  bool reaped_ = false;
};

/// Sleeps until it is killed.
int sleep_forever();

/// Real cgroups below /gantry-test-<pid>, on whatever version the host has.
class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A created cgroup of this test.
  Cgroup make(const std::string& name = "one");
  /// The content of a cgroup's file without the newline: `v1` or `v2`, whichever version its controller has here.
  std::string value(const Cgroup& cgroup, const char* controller, const char* v1, const char* v2) const;
  static bool is_v2(const char* controller);
  static CgroupDirectory directory(const Cgroup& cgroup, const char* controller);

  std::string parent_;
};

/// Skips the test on hosts without a controller.
#define REQUIRE_CONTROLLER(name) \
  if (CgroupLayout::get().find(name) == nullptr) GTEST_SKIP() << "this host has no " << (name) << " controller"

}  // namespace gantry
