/** How a layer or an archive is compressed; what else exists is refused by name. */
export type Compression = 'none' | 'gzip' | 'zstd';

const signatures: readonly { name: Compression | 'bzip2' | 'xz'; bytes: readonly number[] }[] = [
  { name: 'gzip', bytes: [0x1f, 0x8b, 0x08] },
  { name: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
  { name: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
];

/** How many bytes `detectCompression` wants to see. */
export const signatureLength = 6;

/** What the first bytes of a file say about its compression. */
export function detectCompression(start: Uint8Array): Compression | 'bzip2' | 'xz' {
  const found = signatures.find(({ bytes }) => bytes.every((byte, index) => start[index] === byte));
  return found?.name ?? 'none';
}
