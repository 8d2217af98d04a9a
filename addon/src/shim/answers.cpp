#include "shim/answers.h"

#include <nlohmann/json.hpp>

#include "isolation/container.h"

namespace gantry::shim {
namespace {

/// What Docker reports when a container could not be started for any other reason.
constexpr int kCannotStart = 128;

}  // namespace

nlohmann::json describe_error(const std::exception& exception) {
  nlohmann::json description{
      {"operation", "handle request"}, {"errno", EINVAL}, {"message", exception.what()}, {"exitCode", kCannotStart}};
  if (auto error = dynamic_cast<const Error*>(&exception)) {
    description["operation"] = error->operation();
    description["errno"] = error->error();
  }
  if (auto error = dynamic_cast<const ProcessError*>(&exception)) description["exitCode"] = error->exit_code();
  return description;
}

}  // namespace gantry::shim
