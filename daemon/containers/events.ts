import type { EventPublisher } from '../events/event-publisher.js';
import type { Container } from './container.js';

/** Publishes what happened to a container, with the attributes Docker gives: image, name and labels. */
export class ContainerEvents {
  constructor(readonly publisher: EventPublisher) {}

  publish(container: Container, action: string, attributes: Record<string, string> = {}): void {
    this.publisher.publish({
      type: 'container',
      action,
      actorId: container.id,
      attributes: {
        ...container.config.Labels,
        image: container.config.Image ?? '',
        name: container.name,
        ...attributes,
      },
    });
  }

  /** @param reclaimed bytes */
  pruned(reclaimed: number): void {
    const attributes = { reclaimed: String(reclaimed) };
    this.publisher.publish({ type: 'container', action: 'prune', actorId: '', attributes });
  }
}
