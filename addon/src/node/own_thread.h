#pragma once

#include <napi.h>

#include <csignal>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "node/async.h"

namespace gantry {

/// Runs `work` (no JavaScript in it) on a thread of its own, and turns its result into a value on the main thread with
/// `convert(env, result)`. For what may block as long as a client likes, or changes the thread's namespaces: libuv's
/// pool has four threads, and they are shared and live on. `work` is destroyed after the promise is settled.
template <typename Work, typename Convert>
Napi::Value run_on_own_thread(Napi::Env env, Work work, Convert convert) {
  using Result = std::invoke_result_t<Work>;
  struct Outcome {
    explicit Outcome(Napi::Env target) : deferred(target) {}
    Napi::Promise::Deferred deferred;
    std::optional<Result> result;
    std::optional<Error> error;
  };
  auto outcome = std::make_unique<Outcome>(env);
  const Napi::Promise promise = outcome->deferred.Promise();
  auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  auto completion = Napi::ThreadSafeFunction::New(env, nothing, "gantry archive", 0, 1);

  auto body = [outcome = outcome.get(), completion, work = std::move(work), convert = std::move(convert)]() mutable {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // a pipe whose reader is gone is EPIPE, not a signal
    try {
      outcome->result.emplace(work());
    } catch (const Error& error) {
      outcome->error.emplace(error);
    } catch (const std::exception& error) {
      outcome->error.emplace("native addon", 0, error.what());
    }
    const auto settle = [outcome, convert = std::move(convert)](Napi::Env target, Napi::Function) {
      const std::unique_ptr<Outcome> owned(outcome);
      if (owned->error) {
        owned->deferred.Reject(to_javascript(target, *owned->error).Value());
      } else {
        owned->deferred.Resolve(convert(target, std::move(*owned->result)));
      }
    };
    // Fails only when Node is on its way out; then the outcome, which holds its handles, must not be touched here.
    completion.BlockingCall(settle);
    completion.Release();
  };
  try {
    std::thread(std::move(body)).detach();
    static_cast<void>(outcome.release());
  } catch (const std::system_error& error) {
    completion.Release();
    outcome->deferred.Reject(to_javascript(env, Error("start thread", error.code().value())).Value());
  }
  return promise;
}

/// For work that a thread would take longer to begin than to do: runs it here and now. `work` gives up, with nothing,
/// what is too much for that.
/// @returns the promise that is settled already; nothing where a thread has to do it
template <typename Work, typename Convert>
std::optional<Napi::Value> run_at_once(Napi::Env env, Work work, Convert convert) {
  auto deferred = Napi::Promise::Deferred::New(env);
  try {
    const auto result = work();
    if (!result) return std::nullopt;
    deferred.Resolve(convert(env, *result));
  } catch (const Error& error) {
    deferred.Reject(to_javascript(env, error).Value());
  }
  return deferred.Promise();
}

}  // namespace gantry
