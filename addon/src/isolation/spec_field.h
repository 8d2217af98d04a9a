#pragma once

#include <nlohmann/json.hpp>

#include "isolation/error.h"

namespace gantry {

/// A member of a JSON object, or null when it is absent. Null iterates as empty.
inline const nlohmann::json& field(const nlohmann::json& object, const char* name) {
  static const nlohmann::json absent;
  if (!object.is_object()) return absent;
  const auto found = object.find(name);
  return found == object.end() ? absent : *found;
}

/// A member's value, or `fallback` when it is absent or null.
template <typename T>
T field_or(const nlohmann::json& object, const char* name, T fallback) {
  const nlohmann::json& value = field(object, name);
  return value.is_null() ? fallback : value.get<T>();
}

/// Runs `body`, which reads a spec. A member of the wrong type is then an Error like any other.
template <typename Body>
auto reading_spec(Body body) {
  try {
    return body();
  } catch (const nlohmann::json::exception& exception) {
    throw Error("read the OCI spec", EINVAL, exception.what());
  }
}

}  // namespace gantry
