import { invalid } from '../../errors.js';
import type { BlobFile } from '../blob-file.js';
import type { Content } from '../content.js';
import { shortId } from '../digest.js';
import type { Descriptor } from '../manifest.js';
import { Staging } from '../staging.js';
import { downloadBlob } from './blob-download.js';
import { layerStatus, TransferProgress, type Report } from './progress.js';
import type { RepositorySession } from './session.js';
import { SharedWork } from './shared-work.js';
import { Slots } from '../../slots.js';

interface Received {
  blob: BlobFile;
  staging: Staging;
}

/** Brings layers in, a few at once over all pulls, and each only once however many images want it at the same time. */
export class LayerTransfers {
  readonly #shared = new SharedWork<Received>();
  readonly #slots: Slots;

  constructor(
    readonly content: Content,
    limit: () => number,
  ) {
    this.#slots = new Slots(limit);
  }

  /** A layer, verified, in the staging area of the image that wants it. */
  async fetch(
    session: RepositorySession,
    layer: Descriptor,
    staging: Staging,
    report: Report,
    signal: AbortSignal,
  ): Promise<BlobFile> {
    const work = {
      // By registry as well: no registry can hold up what another one is asked for.
      key: `${session.origin} ${layer.digest}`,
      start: (tell: Report, stop: AbortSignal) => this.#receive(session, layer, tell, stop),
      take: ({ blob, staging: own }: Received) => staging.adopt(blob, own),
      release: ({ staging: own }: Received) => void own.discard(),
    };
    return this.#shared.join(work, report, signal);
  }

  async #receive(
    session: RepositorySession,
    layer: Descriptor,
    report: Report,
    signal: AbortSignal,
  ): Promise<Received> {
    const id = shortId(layer.digest);
    const staging = new Staging(this.content);
    try {
      const wait = (): void => report(layerStatus(id, 'Waiting'));
      const blob = await this.#slots.use(signal, () => this.#download(session, layer, staging, report, signal), wait);
      report(layerStatus(id, 'Download complete'));
      return { blob, staging };
    } catch (error) {
      await staging.discard();
      throw error;
    }
  }

  async #download(
    session: RepositorySession,
    layer: Descriptor,
    staging: Staging,
    report: Report,
    signal: AbortSignal,
  ): Promise<BlobFile> {
    const id = shortId(layer.digest);
    const progress = new TransferProgress(report, id, 'Downloading', layer.size);
    const content = downloadBlob(session, layer, signal, {
      onProgress: (received) => {
        progress.update(received);
        if (received === layer.size) report(layerStatus(id, 'Verifying Checksum'));
      },
      onRetry: (pause) => report(layerStatus(id, `Retrying in ${seconds(pause)}`)),
    });
    const blob = await staging.receive(content);
    if (blob.digest !== layer.digest) {
      throw invalid(`filesystem layer verification failed for digest ${layer.digest}`);
    }
    return blob;
  }
}

function seconds(milliseconds: number): string {
  const whole = Math.ceil(milliseconds / 1000);
  return whole === 1 ? '1 second' : `${whole} seconds`;
}
