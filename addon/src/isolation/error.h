#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gantry {

/// The whole text of an error whose wording clients match on, so that nothing is added to it.
struct ErrorText {
  std::string text;
};

/// What was attempted and the errno it ended with; travels unchanged up to the API message.
class Error : public std::runtime_error {
 public:
  /// @param operation what was attempted, with its object: "mount proc on /proc"
  /// @param error an errno value; 0 when the failure has none, and `detail` says what is wrong
  explicit Error(std::string operation, int error = errno, std::string_view detail = {});
  Error(std::string operation, int error, ErrorText text);

  const std::string& operation() const noexcept { return operation_; }
  int error() const noexcept { return error_; }

 private:
  std::string operation_;
  int error_;
};

/// The description of an errno in lower case, as the messages that clients know have it: "no such file or directory".
std::string errno_text(int error);

/// The result of a system call, or an Error naming it.
template <typename T>
T check(T result, std::string_view operation) {
  if (result < 0) throw Error(std::string(operation));
  return result;
}

}  // namespace gantry
