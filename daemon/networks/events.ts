import type { EventPublisher } from '../events/event-publisher.js';
import type { Network } from './network.js';

/** Publishes what happened to networks, with the attributes Docker gives: name and type. */
export class NetworkEvents {
  constructor(readonly publisher: EventPublisher) {}

  publish(network: Network, action: 'create' | 'destroy'): void {
    this.#publish(network, action, {});
  }

  publishEndpoint(network: Network, action: 'connect' | 'disconnect', containerId: string): void {
    this.#publish(network, action, { container: containerId });
  }

  pruned(): void {
    this.publisher.publish({ type: 'network', action: 'prune', actorId: '', attributes: { reclaimed: '0' } });
  }

  #publish({ id, name, record }: Network, action: string, attributes: Record<string, string>): void {
    this.publisher.publish({
      type: 'network',
      action,
      actorId: id,
      attributes: { ...attributes, name, type: record.driver },
    });
  }
}
