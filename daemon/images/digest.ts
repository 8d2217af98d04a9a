import { hash } from 'node:crypto';

/** "sha256:" and 64 lower-case hexadecimal digits: the only algorithm that Docker and registries use. */
export type Digest = string;

const digestSyntax = /^sha256:[0-9a-f]{64}$/;

export const isDigest = (text: unknown): text is Digest => typeof text === 'string' && digestSyntax.test(text);

export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);

/** The twelve digits that messages name an image by. */
export const shortId = (digest: Digest): string => hexOf(digest).slice(0, 12);

export const digestOf = (content: string | Uint8Array): Digest => `sha256:${hash('sha256', content)}`;

/**
 * The chain id of each layer, bottom first: what lies below counts, so equal layers on different ground differ.
 * See "Layer ChainID" in the OCI image specification, config.md.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}
