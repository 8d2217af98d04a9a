#include <nftables/libnftables.h>

#include <mutex>

#include "isolation/error.h"
#include "network/network.h"

namespace gantry {

/// A context is good for one thread at a time, and the kernel takes one transaction at a time anyway.
struct Nftables::Context {
  std::mutex mutex;
  std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> nft{nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free};
};

Nftables::Nftables() : context_(std::make_unique<Context>()) {
  if (!context_->nft) throw Error("open nftables", ENOMEM);
  nft_ctx_buffer_error(context_->nft.get());
  nft_ctx_buffer_output(context_->nft.get());
  nft_ctx_output_set_flags(context_->nft.get(), NFT_CTX_OUTPUT_HANDLE);
}

Nftables::~Nftables() = default;

std::string Nftables::run(const std::string& script) {
  const std::lock_guard<std::mutex> lock(context_->mutex);
  nft_ctx* nft = context_->nft.get();
  const bool failed = nft_run_cmd_from_buffer(nft, script.c_str()) != 0;
  // Reading the buffers also empties them.
  const std::string output = nft_ctx_get_output_buffer(nft);
  std::string text = nft_ctx_get_error_buffer(nft);
  if (!failed) return output;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  throw Error("apply nftables rules", 0, text.empty() ? "nftables gives no reason" : text);
}

}  // namespace gantry
