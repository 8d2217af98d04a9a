import { notFound } from '../../errors.js';
import type { ContentHandlers } from '../../generated/rpc/containerd/services/content/v1/Content.js';
import type { ReadContentResponse } from '../../generated/rpc/containerd/services/content/v1/ReadContentResponse.js';
import type { BuildHistoryStore } from '../../store/build-history.js';
import { streaming, unary } from './rpc-server.js';

const chunkBytes = 1024 * 1024;

/** The Content service: what records of the history name by its digest. Nothing else of the engine can be read here. */
export function recordContent(store: BuildHistoryStore): ContentHandlers {
  const blob = (digest: string): Buffer => {
    const data = store.blob(digest);
    if (!data) throw notFound(`content ${digest}: not found`);
    return data;
  };
  return {
    Info: unary(async ({ digest }) => ({ info: { digest, size: blob(digest).length } })),

    Read: streaming(async ({ digest, offset, size }, send: (response: ReadContentResponse) => Promise<void>) => {
      const data = blob(digest);
      const end = size > 0 ? Math.min(offset + size, data.length) : data.length;
      for (let position = offset; position < end; position += chunkBytes) {
        await send({ offset: position, data: data.subarray(position, Math.min(position + chunkBytes, end)) });
      }
    }),
  };
}
