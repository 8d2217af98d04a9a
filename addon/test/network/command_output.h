#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace gantry {

/// What a shell command, which has to succeed, prints.
inline std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  if (pipe == nullptr) {
    ADD_FAILURE() << "cannot run " << command;
    return text;
  }
  for (int byte; (byte = std::fgetc(pipe)) != EOF;) text.push_back(static_cast<char>(byte));
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

}  // namespace gantry
