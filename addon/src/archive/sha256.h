#pragma once

#include <nettle/sha2.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace gantry::archive {

/// A digest that grows with its content; nettle uses the processor's SHA instructions.
class Sha256 {
 public:
  Sha256() { sha256_init(&context_); }

  void update(std::string_view bytes) {
    sha256_update(&context_, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  }
  /// "sha256:<hex>" of everything so far; the object starts over.
  std::string finish();

 private:
  sha256_ctx context_{};
};

}  // namespace gantry::archive
