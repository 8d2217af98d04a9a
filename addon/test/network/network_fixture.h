#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <functional>

#include "isolation/error.h"
#include "network/namespace_thread.h"
#include "network/network.h"

namespace gantry {

/// Every test has a network namespace to itself, so that the host's links stay as they are.
class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    check(::unshare(CLONE_NEWNET), "leave the host's network");
  }

  static void inside(const UniqueFd& network_namespace, const std::function<void()>& body) {
    on_own_thread([&] {
      check(::setns(network_namespace.get(), CLONE_NEWNET), "enter a network namespace");
      body();
    });
  }
};

}  // namespace gantry
