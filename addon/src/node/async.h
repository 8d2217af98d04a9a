#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "isolation/error.h"

namespace gantry {

/// A JavaScript Error with `operation`, `errno` and `code`, as daemon/runtime/addon.ts promises.
Napi::Error to_javascript(Napi::Env env, const Error& error);

/// Calls `function`; a gantry::Error becomes a JavaScript exception.
template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& error) {
    throw to_javascript(env, error);
  } catch (const std::exception& error) {
    throw to_javascript(env, Error("native addon", 0, error.what()));
  }
}

/// Runs `work` (no JavaScript in it) on a thread of libuv's pool, and turns its result into a value on the main thread.
template <typename Work, typename Convert>
class PromiseWorker final : public Napi::AsyncWorker {
 public:
  using Result = std::invoke_result_t<Work>;

  PromiseWorker(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)), convert_(std::move(convert)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      if constexpr (std::is_void_v<Result>) {
        work_();
      } else {
        result_.emplace(work_());
      }
    } catch (const Error& error) {
      error_.emplace(error);
    } catch (const std::exception& error) {
      error_.emplace("native addon", 0, error.what());
    }
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    if (error_) {
      deferred_.Reject(to_javascript(Env(), *error_).Value());
    } else if constexpr (std::is_void_v<Result>) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Resolve(convert_(Env(), std::move(*result_)));
    }
  }

 private:
  struct Nothing {};
  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> result_;
  std::optional<Error> error_;
};

/// The promise of `work`, whose result `convert(env, result)` turns into a JavaScript value.
template <typename Work, typename Convert>
Napi::Value run_async(Napi::Env env, Work work, Convert convert) {
  // The worker deletes itself when it is done.
  auto* worker = new PromiseWorker<Work, Convert>(env, std::move(work), std::move(convert));
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

/// The promise of `work` that has no result.
template <typename Work>
Napi::Value run_async(Napi::Env env, Work work) {
  static_assert(std::is_void_v<std::invoke_result_t<Work>>);
  auto nothing = [](Napi::Env target) { return target.Undefined(); };
  return run_async(env, std::move(work), nothing);
}

}  // namespace gantry
