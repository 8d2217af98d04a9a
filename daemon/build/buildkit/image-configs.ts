import { readFile } from 'node:fs/promises';
import type { Platform__Output } from '../../generated/rpc/pb/Platform.js';
import type { ImageDirectories } from '../../images/directories.js';
import type { Lookup } from '../../images/lookup.js';
import type { Platform } from '../../images/platform.js';
import type { Puller } from '../../images/registry/pull.js';
import { BaseImages } from '../base-images.js';
import { clientCredentials } from './client-services.js';
import type { Sessions } from './sessions.js';
import type { SolveJob } from './solve-job.js';

/** The configurations of images, for front ends in clients. */
export class ImageConfigs {
  constructor(
    readonly images: { lookup: Lookup; directories: ImageDirectories },
    readonly puller: Puller,
    readonly sessions: Sessions,
  ) {}

  /** @throws GantryError when there is no such image */
  async resolve(
    { reference, platform, pull }: { reference: string; platform: Platform__Output | null; pull: boolean },
    job: SolveJob,
    signal: AbortSignal,
  ): Promise<{ digest: string; config: Buffer; reference: string }> {
    const session = await this.sessions.get(job.sessionId, signal);
    const credentials = (registry: string, asked: AbortSignal): ReturnType<typeof clientCredentials> =>
      clientCredentials(session, registry, asked);
    const images = new BaseImages(this.images.lookup, this.puller, { pull, credentials, signal }, job.status.report);
    const image = await images.find(reference, platform ? platformOf(platform) : undefined);
    return { digest: image.manifest, config: await readFile(this.images.directories.blob(image.id)), reference };
  }
}

function platformOf({ os, architecture, variant }: Platform__Output): Platform {
  return { os, architecture, ...(variant !== '' && { variant }) };
}
