import { posix } from 'node:path';
import { parseDockerfile } from '../../dockerfile/parse.js';
import { unsupported } from '../../errors.js';
import type { Definition__Output } from '../../generated/rpc/pb/Definition.js';
import { anonymous } from '../../images/registry/credentials.js';
import type { BuildContext } from '../build-context.js';
import { defaultRunOptions, noAgents, noSecrets, type BuildRequest } from '../build-request.js';
import { opMessage } from './protocol.js';

/** A file at a URL, as a build graph has it: what buildx makes of `-f https://…` and `bake -f https://…`. */
export interface HttpSource {
  url: string;
  filename: string;
  /** "sha256:…" */
  checksum: string | undefined;
}

/** The only thing in a graph; undefined for any other graph. */
export function httpSourceOf(definition: Definition__Output | null): HttpSource | undefined {
  const ops = (definition?.def ?? []).map((bytes) => opMessage.deserialize(Buffer.from(bytes)));
  // The last one only says what the result is.
  const [op, last, ...more] = ops;
  const url = op?.source?.identifier ?? '';
  if (!/^https?:\/\//.test(url) || !last || last.op !== undefined || more.length > 0) return undefined;
  const attributes = op?.source?.attributes ?? {};
  const { 'http.filename': filename = posix.basename(new URL(url).pathname), 'http.checksum': checksum } = attributes;
  const others = Object.keys(attributes).filter((name) => name !== 'http.filename' && name !== 'http.checksum');
  if (others.length > 0)
    throw unsupported(`the attribute "${others[0]}" of the source ${url} is not supported by Gantry`);
  return { url, filename, checksum };
}

/** The same as a build. */
export function httpSourceRequest({ url, filename, checksum }: HttpSource): Omit<BuildRequest, 'exports' | 'signal'> {
  // Variables mean nothing in a URL.
  const words = JSON.stringify([url.replaceAll('$', '%24'), `/${posix.basename(filename).replaceAll('$', '\\$')}`]);
  const flag = checksum === undefined ? '' : `--checksum=${checksum} `;
  return {
    dockerfile: parseDockerfile(`FROM scratch\nADD ${flag}${words}\n`),
    dockerfileName: url,
    buildArgs: {},
    labels: {},
    context: noContext,
    namedContexts: new Map(),
    secrets: noSecrets,
    agents: noAgents,
    credentials: () => Promise.resolve(anonymous),
    noCache: false,
    pull: false,
    cacheFrom: [],
    inlineCache: false,
    run: defaultRunOptions,
    entitlements: new Set(),
    squash: false,
  };
}

const noContext: BuildContext = {
  name: 'no context',
  open: () => Promise.reject(unsupported('a file at a URL has no build context')),
};
