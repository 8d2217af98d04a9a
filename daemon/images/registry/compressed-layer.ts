import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { StreamedBlob } from './blob-upload.js';

/**
 * A layer that is stored uncompressed, in the form in which it goes to registries. Equal layers give equal bytes.
 *
 * @param onProgress told how much of the uncompressed layer has been read
 */
export function compressLayer(path: string, onProgress: (read: number) => void): StreamedBlob {
  const hash = createHash('sha256');
  let [read, size] = [0, 0];
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  source.on('data', (chunk) => {
    read += chunk.length;
    onProgress(read);
  });
  const gzip = source.pipe(createGzip({ chunkSize: 64 * 1024 }));
  source.on('error', (error) => gzip.destroy(error));
  async function* tap(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of gzip as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    } finally {
      source.destroy();
    }
  }
  return {
    content: Readable.from(tap(), { objectMode: false }),
    result: () => ({ digest: `sha256:${hash.digest('hex')}`, size }),
  };
}
