import type { EventPublisher } from '../events/event-publisher.js';
import type { ImageStore } from '../store/images.js';
import type { Digest } from './digest.js';
import type { ImageDocument } from './image-document.js';

/** Publishes what happened to an image, with the attributes Docker gives: its labels and the name it was meant by. */
export class ImageEvents {
  constructor(
    readonly store: ImageStore,
    readonly publisher: EventPublisher,
  ) {}

  /** @param name what the event is about; by default the id */
  publish(action: string, id: Digest, name: string = id): void {
    this.publisher.publish({ type: 'image', action, actorId: id, attributes: { ...this.#labels(id), name } });
  }

  /** An image was pulled from a registry or pushed to one. Both are about a name rather than an image. */
  publishTransfer(action: 'pull' | 'push', id: Digest, reference: string, name: string): void {
    const labels = this.#labels(id);
    this.publisher.publish({ type: 'image', action, actorId: reference, attributes: { ...labels, name } });
  }

  /** The image has gone, and its labels with it. */
  publishDeleted(id: Digest): void {
    this.publisher.publish({ type: 'image', action: 'delete', actorId: id, attributes: { name: id } });
  }

  prune(reclaimed: number): void {
    this.publisher.publish({
      type: 'image',
      action: 'prune',
      actorId: '',
      attributes: { reclaimed: String(reclaimed) },
    });
  }

  #labels(id: Digest): Record<string, string> | undefined {
    const row = this.store.image(id);
    return row ? ((JSON.parse(row.document) as ImageDocument).config?.Labels ?? undefined) : undefined;
  }
}
