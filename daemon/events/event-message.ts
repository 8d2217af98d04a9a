import type { ApiVersion } from '../http/version.js';
import type { EventRecord } from '../store/events.js';

/**
 * An event as a line of JSON. Up to API 1.51 those of containers and images also carry the names that they had before events
 * had a type. The time in nanoseconds is beyond what a JavaScript number holds, so it is put in as text.
 */
export function eventMessage(event: EventRecord, version: ApiVersion): string {
  const message = JSON.stringify({
    ...(version.atLeast('1.52') ? {} : legacyMembers(event)),
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.actorId, Attributes: event.attributes },
    scope: event.scope,
    time: Number(event.time / 1_000_000_000n),
  });
  return `${message.slice(0, -1)},"timeNano":${event.time}}\n`;
}

function legacyMembers({ type, action, actorId, attributes }: EventRecord): Record<string, string> {
  if (type === 'container')
    return { status: action, id: actorId, ...(attributes['image'] && { from: attributes['image'] }) };
  if (type === 'image') return { status: action, id: actorId };
  return {};
}
