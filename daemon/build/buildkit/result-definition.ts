import type { Definition } from '../../generated/rpc/pb/Definition.js';
import { digestOf } from '../../images/digest.js';
import { opMessage } from './protocol.js';

/** A source that only this daemon knows. */
const scheme = 'gantry-result://';

/**
 * What stands for a result in the language of build graphs: the client hands it back when another build is made of it. It
 * cannot be taken apart, unlike what BuildKit sends.
 */
export function resultDefinition(id: string): Definition {
  const source = opMessage.serialize({ source: { identifier: scheme + id } });
  const last = opMessage.serialize({ inputs: [{ digest: digestOf(source), index: 0 }] });
  return { def: [source, last], metadata: { [digestOf(source)]: {}, [digestOf(last)]: {} } };
}

/** The id in such a definition; undefined for any other. */
export function resultIdOf(definition: Definition | null | undefined): string | undefined {
  const ops = (definition?.def ?? []).map((bytes) => opMessage.deserialize(Buffer.from(bytes)));
  const identifiers = ops.flatMap(({ source }) => (source ? [source.identifier] : []));
  const [identifier, ...more] = identifiers;
  if (identifier === undefined || more.length > 0 || !identifier.startsWith(scheme)) return undefined;
  return identifier.slice(scheme.length);
}
