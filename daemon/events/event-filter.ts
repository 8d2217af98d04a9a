import type { Filters } from '../http/filters.js';
import type { EventRecord } from '../store/events.js';

/** Filters that name an object. Docker compares them with the actor of any event, whatever its type; clients know it so. */
const OBJECTS = ['config', 'container', 'daemon', 'network', 'node', 'plugin', 'secret', 'service', 'volume'];

export const eventFilterNames = [...OBJECTS, 'event', 'image', 'label', 'scope', 'type'];

/** Actions with a detail behind a colon ("exec_create: ls"), which a filter gives without it. */
const DETAILED = ['exec_create', 'exec_start', 'health_status'];

/** Whether an event passes the filters of GET /events. */
export function eventPasses(filters: Filters, event: EventRecord): boolean {
  return (
    filters.exact('type', event.type) &&
    filters.exact('scope', event.scope) &&
    passesAction(filters, event.action) &&
    OBJECTS.every((name) => passesObject(filters, name, event)) &&
    passesImage(filters, event) &&
    filters.labels(event.attributes)
  );
}

function passesAction(filters: Filters, action: string): boolean {
  return (
    filters.exact('event', action) ||
    filters.get('event').some((given) => DETAILED.includes(given) && action.startsWith(`${given}:`))
  );
}

function passesObject(filters: Filters, filter: string, { actorId, attributes }: EventRecord): boolean {
  return filters.prefix(filter, actorId) || filters.prefix(filter, attributes['name'] ?? '');
}

/** The image of an event is its actor, or the one that its container was made from; with its tag or without. */
function passesImage(filters: Filters, { type, actorId, attributes }: EventRecord): boolean {
  if (!filters.has('image')) return true;
  const name = (type === 'image' ? attributes['name'] : attributes['image']) ?? '';
  return [actorId, name, withoutTag(actorId), withoutTag(name)].some((image) => filters.exact('image', image));
}

function withoutTag(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}
