#include <nftables/libnftables.h>

#include <memory>
#include <mutex>

#include "isolation/error.h"
#include "network/network.h"

namespace gantry {

void apply_nftables(const std::string& script) {
  // A context is good for one thread at a time. The kernel takes one transaction at a time anyway.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  if (!context) throw Error("open nftables", ENOMEM);
  nft_ctx_buffer_error(context.get());
  nft_ctx_buffer_output(context.get());
  if (nft_run_cmd_from_buffer(context.get(), script.c_str()) == 0) return;
  std::string text = nft_ctx_get_error_buffer(context.get());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  throw Error("apply nftables rules", 0, text.empty() ? "nftables gives no reason" : text);
}

}  // namespace gantry
