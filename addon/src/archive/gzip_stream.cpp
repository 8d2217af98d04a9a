#include "archive/gzip_stream.h"

#include "archive/byte_source.h"
#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr size_t input_size = 1 << 18;
constexpr unsigned char first_magic_byte = 0x1f;

Error corrupt(const char* what) { return Error("decompress archive", 0, what); }

void start_member(inflate_state& state) {
  isal_inflate_reset(&state);
  state.crc_flag = ISAL_GZIP;
}

}  // namespace

GzipStream::GzipStream(ByteStream& input)
    : input_(input), buffer_(input_size), state_(std::make_unique<inflate_state>()) {
  isal_inflate_init(state_.get());
  start_member(*state_);
}

size_t GzipStream::read(char* out, size_t size) {
  inflate_state& state = *state_;
  state.next_out = reinterpret_cast<uint8_t*>(out);
  state.avail_out = static_cast<uint32_t>(size);
  while (true) {
    if (state.block_state == ISAL_BLOCK_FINISH && !next_member()) return 0;
    const uint32_t before = state.avail_in;
    inflate();
    if (state.avail_out < size) return size - state.avail_out;
    if (state.block_state == ISAL_BLOCK_FINISH) continue;
    if (state.avail_in > 0 && state.avail_in == before) throw corrupt("invalid gzip data");
    if (state.avail_in == 0 && !refill()) throw_truncated();
  }
}

void GzipStream::inflate() {
  switch (isal_inflate(state_.get())) {
    case ISAL_DECOMP_OK:
    case ISAL_END_INPUT:
      return;
    case ISAL_INCORRECT_CHECKSUM:
      throw corrupt("gzip: wrong checksum");
    default:
      throw corrupt("invalid gzip data");
  }
}

bool GzipStream::refill() {
  const size_t got = input_.read(buffer_.data(), buffer_.size());
  state_->next_in = reinterpret_cast<uint8_t*>(buffer_.data());
  state_->avail_in = static_cast<uint32_t>(got);
  return got > 0;
}

/// A file may have several members, and be padded with zeros.
bool GzipStream::next_member() {
  inflate_state& state = *state_;
  while (true) {
    if (state.avail_in == 0 && !refill()) return false;
    if (*state.next_in != 0) break;
    ++state.next_in;
    --state.avail_in;
  }
  if (*state.next_in != first_magic_byte) throw corrupt("gzip: garbage after the end");
  start_member(state);
  return true;
}

}  // namespace gantry::archive
