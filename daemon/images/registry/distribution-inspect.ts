import type { Digest } from '../digest.js';
import { parseImageDocument } from '../image-document.js';
import { isIndexType, parseIndex } from '../manifest.js';
import type { Reference } from '../reference.js';
import { downloadDocument } from './blob-download.js';
import type { Credentials } from './credentials.js';
import { fetchManifest } from './manifests.js';
import { readImageManifest } from './platform-selection.js';
import type { Sessions } from './sessions.js';

/** Docker's DistributionInspect. */
export interface DistributionFacts {
  Descriptor: { mediaType: string; digest: Digest; size: number };
  Platforms: object[];
}

/** What a registry says about an image, without pulling it. @throws GantryError */
export async function inspectDistribution(
  sessions: Sessions,
  { repository, tag, digest }: Reference,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<DistributionFacts> {
  return sessions.pull(repository, credentials, signal, async (session) => {
    const manifest = await fetchManifest(session, digest ?? tag ?? 'latest');
    const { mediaType, content } = manifest;
    const Descriptor = { mediaType, digest: manifest.digest, size: content.length };
    if (isIndexType(mediaType)) {
      const entries = parseIndex(content, `index ${manifest.digest}`);
      return { Descriptor, Platforms: entries.flatMap(({ platform }) => (platform ? [platform] : [])) };
    }
    const { config } = readImageManifest(manifest).parsed;
    const document = parseImageDocument(await downloadDocument(session, config, 'image config'));
    const { architecture, os, variant } = document;
    const osVersion = document['os.version'];
    const platform = {
      architecture,
      os,
      ...(osVersion ? { 'os.version': osVersion } : {}),
      ...(variant ? { variant } : {}),
    };
    return { Descriptor, Platforms: [platform] };
  });
}
