#include "isolation/error.h"

#include <cstring>

namespace gantry {
namespace {

std::string describe(const std::string& operation, int error, std::string_view detail) {
  std::string text = operation;
  if (!detail.empty()) text.append(": ").append(detail);
  if (error != 0) text.append(": ").append(strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error");
  return text;
}

}  // namespace

Error::Error(std::string operation, int error, std::string_view detail)
    : std::runtime_error(describe(operation, error, detail)), operation_(std::move(operation)), error_(error) {}

Error::Error(std::string operation, int error, ErrorText text)
    : std::runtime_error(text.text), operation_(std::move(operation)), error_(error) {}

std::string errno_text(int error) {
  const char* description = strerrordesc_np(error);
  std::string text = description ? description : "unknown error " + std::to_string(error);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace gantry
