import type { BlobSourceStore } from '../../store/blob-sources.js';
import type { Content } from '../content.js';
import type { ImageEvents } from '../events.js';
import type { Lookup } from '../lookup.js';
import type { Reference } from '../reference.js';
import type { Tags } from '../tags.js';
import { Connections } from './connections.js';
import type { Credentials } from './credentials.js';
import { inspectDistribution, type DistributionFacts } from './distribution-inspect.js';
import { ImageReception } from './image-reception.js';
import { LayerTransfers } from './layer-transfers.js';
import { Login } from './login.js';
import { Puller } from './pull.js';
import { Pusher } from './push.js';
import { Search } from './search.js';
import { Sessions } from './sessions.js';
import type { RegistrySettings, Timings } from './settings.js';
import { Transport } from './transport.js';

/** What registries need of the other parts of images. */
export interface RegistryContext {
  content: Content;
  lookup: Lookup;
  tags: Tags;
  events: ImageEvents;
  sources: BlobSourceStore;
}

/** Everything that is done with registries, put together. Each part has one subject. */
export class Registries {
  readonly puller: Puller;
  readonly pusher: Pusher;
  readonly login: Login;
  readonly search: Search;
  readonly #connections: Connections;
  readonly #sessions: Sessions;
  readonly #sources: BlobSourceStore;

  /** @param settings asked for each operation, because they can change */
  constructor(context: RegistryContext, settings: () => RegistrySettings, timings: Timings, userAgent: string) {
    const { content, lookup, tags, events, sources } = context;
    this.#sources = sources;
    this.#connections = new Connections(settings, timings);
    const transport = new Transport(this.#connections, userAgent);
    this.#sessions = new Sessions(transport, this.#connections);
    const transfers = new LayerTransfers(content, () => settings().maxDownloads);
    const reception = new ImageReception(content, tags, transfers, sources);
    this.puller = new Puller(this.#sessions, reception, lookup, tags, events);
    const maxUploads = (): number => settings().maxUploads;
    this.pusher = new Pusher(content, lookup, tags, this.#sessions, sources, events, maxUploads);
    this.login = new Login(transport, this.#connections);
    this.search = new Search(transport, this.#connections);
  }

  /** What a registry says about an image. @throws GantryError */
  inspect(reference: Reference, credentials: Credentials, signal: AbortSignal): Promise<DistributionFacts> {
    return inspectDistribution(this.#sessions, reference, credentials, signal);
  }

  /** To be called once at start: forgets what is of no use any more. */
  collectGarbage(): void {
    this.#sources.collectGarbage();
  }

  /** Ends every connection. */
  close(): Promise<void> {
    return this.#connections.close();
  }
}
