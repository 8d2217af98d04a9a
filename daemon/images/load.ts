import type { Readable } from 'node:stream';
import type { ProgressMessage } from '../http/progress.js';
import { planArchive, requirePlatform } from './archive-plan.js';
import { readArchive } from './archive-reader.js';
import type { Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import type { Platform } from './platform.js';
import { Publication } from './publication.js';
import { ProgressQueue, type Report } from './registry/progress.js';
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
   * @param send is told which images there are and, unless `quiet`, how far each layer is
   */
  async load(
    archive: Readable,
    { platform, quiet }: { platform?: Platform | undefined; quiet: boolean },
    send: (message: ProgressMessage) => Promise<void>,
  ): Promise<void> {
    const lines = await new ProgressQueue().run(
      (report) => this.#load(archive, platform, quiet ? undefined : report),
      send,
    );
    for (const line of lines) await send({ stream: line });
  }

  /** @returns what to tell the user, a line for each name or unnamed image */
  async #load(archive: Readable, wanted: Platform | undefined, report: Report | undefined): Promise<string[]> {
    const staging = new Staging(this.content);
    try {
      const plans = await planArchive(await readArchive(archive, staging, report), staging, wanted);
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
