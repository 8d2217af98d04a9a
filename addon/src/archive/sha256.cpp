#include "archive/sha256.h"

#include <array>

namespace gantry::archive {

std::string Sha256::finish() {
  constexpr char digits[] = "0123456789abcdef";
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest;
  sha256_digest(&context_, digest.size(), digest.data());
  std::string text = "sha256:";
  for (const uint8_t byte : digest) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

}  // namespace gantry::archive
