#pragma once

#include <exception>
#include <thread>

namespace gantry {

/// Runs `function` on a thread that ends with it, so that a namespace it enters is never the caller's.
template <typename Function>
void on_own_thread(Function function) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      function();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace gantry
