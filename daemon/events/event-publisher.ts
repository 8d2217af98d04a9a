/** Where the nouns tell what happened; Events implements it. */
export interface EventPublisher {
  publish(event: {
    type: string;
    action: string;
    actorId: string;
    attributes: Record<string, string>;
    scope?: 'local' | 'swarm';
  }): void;
}
