import type { Duplex } from 'node:stream';
import type { Content } from '../../images/content.js';
import type { ImageDirectories } from '../../images/directories.js';
import type { Lookup } from '../../images/lookup.js';
import type { Puller } from '../../images/registry/pull.js';
import type { Addon } from '../../runtime/addon.js';
import type { BuildHistoryStore } from '../../store/build-history.js';
import type { Build } from '../build-result.js';
import type { CacheUsage } from '../cache-usage.js';
import { BuildHistory } from './build-history.js';
import type { ContextStore } from './context-store.js';
import { Control } from './control.js';
import { DockerfileFrontend } from './dockerfile-frontend.js';
import { Gateway } from './gateway.js';
import { ImageConfigs } from './image-configs.js';
import { contentService, controlService, gatewayService, healthService } from './protocol.js';
import { recordContent } from './record-content.js';
import { ResultFiles } from './result-files.js';
import { RpcServer, streaming, unary } from './rpc-server.js';
import { offerOf } from './session-offer.js';
import { Sessions } from './sessions.js';
import { SolveJobs } from './solve-job.js';
import { workerRecord } from './worker.js';

/** What building for clients of BuildKit needs of the engine. */
export interface BuildKitParts {
  builder: Build;
  contexts: ContextStore;
  addon: Pick<Addon, 'statPath' | 'readFile' | 'findPaths'>;
  images: { lookup: Lookup; directories: ImageDirectories; content: Content };
  puller: Puller;
  usage: CacheUsage;
  history: BuildHistoryStore;
  /** Of this daemon, for good. */
  engineId: () => string;
  hostGateways: () => readonly string[];
}

/** Serves clients of BuildKit: on one connection they call the daemon, on another the daemon calls them. */
export class BuildKit {
  readonly #server = new RpcServer();
  readonly #sessions = new Sessions();

  constructor(parts: BuildKitParts) {
    const { builder, contexts, images, usage } = parts;
    const jobs = new SolveJobs();
    const frontend = new DockerfileFrontend(builder, this.#sessions, contexts, images.content, jobs);
    const id = parts.engineId();
    const worker = (): ReturnType<typeof workerRecord> => workerRecord(id, parts.hostGateways());
    const control = new Control(jobs, this.#sessions, frontend, new BuildHistory(parts.history), usage, worker);
    const configs = new ImageConfigs(images, parts.puller, this.#sessions);
    const gateway = new Gateway(jobs, frontend, new ResultFiles(parts.addon), configs, worker);
    this.#server
      .add(controlService, control.handlers())
      .add(gatewayService, gateway.handlers())
      .add(contentService, recordContent(parts.history))
      .add(healthService, {
        Check: unary(async () => ({ status: 'SERVING' as const })),
        // Nothing ever changes: the answer stands until the client leaves.
        Watch: streaming(async (_request, send: (response: { status: 'SERVING' }) => Promise<void>, { signal }) => {
          await send({ status: 'SERVING' });
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        }),
      });
  }

  /** POST /grpc: the client's calls. */
  serve(connection: Duplex): void {
    this.#server.serve(connection);
  }

  /**
   * POST /session: the daemon's calls.
   *
   * @param connection taken over once the headers make sense
   * @throws GantryError
   */
  addSession(headers: Readonly<Record<string, string | string[] | undefined>>, connection: () => Duplex): void {
    const all = (name: string): string[] => [headers[name] ?? []].flat();
    this.#sessions.add(offerOf(headers, all), connection);
  }
}
