import type { Readable } from 'node:stream';
import { planArchive, requirePlatform } from './archive-plan.js';
import { readArchive } from './archive-reader.js';
import type { Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import type { Platform } from './platform.js';
import { Publication } from './publication.js';
import { familiarReference, type Reference } from './reference.js';
import { Staging } from './staging.js';
import type { Content } from './content.js';
import type { Tags } from './tags.js';

/** Loads the images of an archive: all of them, or on any error none. */
export class ImageLoader {
  constructor(
    readonly content: Content,
    readonly tags: Tags,
    readonly events: ImageEvents,
  ) {}

  /**
   * @param archive a tar stream, plain or compressed with gzip or zstd
   * @returns what to tell the user, a line for each name or unnamed image
   */
  async load(archive: Readable, wanted?: Platform): Promise<string[]> {
    const staging = new Staging(this.content);
    try {
      const plans = await planArchive(await readArchive(archive, staging), staging, wanted);
      requirePlatform(plans, wanted);
      const publication = new Publication(staging);
      const images: { id: Digest; names: Reference[] }[] = [];
      for (const { plan, names } of plans) images.push({ id: await publication.prepare(plan), names });
      publication.publish(() => {
        for (const { id, names } of images) for (const name of names) this.tags.assign(name, id);
      });
      for (const { id } of images) this.events.publish('load', id);
      return images.flatMap(({ id, names }) =>
        names.length > 0
          ? names.map((name) => `Loaded image: ${familiarReference(name)}\n`)
          : [`Loaded image ID: ${id}\n`],
      );
    } finally {
      await staging.discard();
    }
  }
}
