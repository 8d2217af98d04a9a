import type { ImageStore } from '../store/images.js';
import type { Digest } from './digest.js';
import type { ImageDocument } from './image-document.js';

/** Where events go; daemon/events implements it. */
export interface EventPublisher {
  publish(event: {
    type: string;
    action: string;
    actorId: string;
    attributes: Record<string, string>;
    scope?: 'local' | 'swarm';
  }): void;
}

/** Publishes what happened to an image, with the attributes Docker gives: its labels and the name it was meant by. */
export class ImageEvents {
  constructor(
    readonly store: ImageStore,
    readonly publisher: EventPublisher,
  ) {}

  /** @param name what the event is about; by default the id */
  publish(action: string, id: Digest, name: string = id): void {
    const row = this.store.image(id);
    const labels = row ? (JSON.parse(row.document) as ImageDocument).config?.Labels : undefined;
    this.publisher.publish({ type: 'image', action, actorId: id, attributes: { ...labels, name } });
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
}
