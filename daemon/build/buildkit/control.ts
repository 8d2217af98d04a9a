import type { ServerDuplexStream } from '@grpc/grpc-js';
import { unsupported } from '../../errors.js';
import type { BytesMessage } from '../../generated/rpc/moby/buildkit/v1/BytesMessage.js';
import type { ControlHandlers } from '../../generated/rpc/moby/buildkit/v1/Control.js';
import type { SolveRequest__Output } from '../../generated/rpc/moby/buildkit/v1/SolveRequest.js';
import type { WorkerRecord } from '../../generated/rpc/moby/buildkit/v1/types/WorkerRecord.js';
import type { CacheUsage } from '../cache-usage.js';
import type { BuildResult } from '../build-result.js';
import type { BuildHistory, HistoryRecord } from './build-history.js';
import { timestamp } from './build-status.js';
import type { DockerfileFrontend } from './dockerfile-frontend.js';
import { cacheImport, entitlement } from './dockerfile-options.js';
import { buildExport, imageResponse, wantedOutputs, type WantedOutput } from './exporters.js';
import { failureDetails, reasonOf, serviceError } from './failure.js';
import { listKept, pruneKept } from './kept-for-builds.js';
import type { PendingResult } from './pending-result.js';
import { provenance } from './provenance.js';
import { RpcDuplex } from './rpc-duplex.js';
import { streaming, unary, type CallContext } from './rpc-server.js';
import { offerOf } from './session-offer.js';
import type { Sessions } from './sessions.js';
import { SolveJob, type SolveJobs } from './solve-job.js';
import { refuseBuildGraph, refuseSourcePolicies, requireDockerfileFrontend } from './unsupported-requests.js';
import { buildkitVersion } from './worker.js';

/** The Control service: builds from their start to their end, and what is kept of them. */
export class Control {
  constructor(
    readonly jobs: SolveJobs,
    readonly sessions: Sessions,
    readonly frontend: DockerfileFrontend,
    readonly history: BuildHistory,
    readonly usage: CacheUsage,
    readonly worker: () => WorkerRecord,
  ) {}

  handlers(): ControlHandlers {
    return {
      Solve: unary((request, context) => this.#solve(request, context)),

      Status: streaming(async ({ ref }, send, { signal }) => {
        const log = this.history.log(ref);
        if (log) {
          for (const response of log) await send(response);
          return;
        }
        const status = await this.jobs.status(ref, signal);
        await status.watch(send, signal);
      }),

      Session: (call) => {
        try {
          this.sessions.add(
            offerOf(call.metadata.getMap() as Record<string, string>, (name) => call.metadata.get(name).map(String)),
            () => connectionIn(call),
          );
        } catch (error) {
          call.emit('error', serviceError(error));
        }
      },

      ListWorkers: unary(async ({ filter }) => {
        if (filter.length > 0) throw unsupported('filters of workers are not supported by Gantry');
        return { record: [this.worker()] };
      }),

      Info: unary(async () => ({ buildkitVersion: buildkitVersion() })),

      DiskUsage: unary(async ({ filter }) => ({ record: await listKept(this.usage, filter) })),

      Prune: streaming(async (request, send) => {
        for (const record of await pruneKept(this.usage, request)) await send(record);
      }),

      ListenBuildHistory: streaming((request, send, { signal }) => this.history.listen(request, send, signal)),

      UpdateBuildHistory: unary(async (request) => {
        // To finalize is to write down traces, of which there are none.
        if (!request.finalize) this.history.update(request.ref, request);
        return {};
      }),
    };
  }

  async #solve(
    request: SolveRequest__Output,
    { signal }: CallContext,
  ): Promise<{ exporterResponse: Record<string, string> }> {
    refuseUnsupported(request);
    const job = new SolveJob(request.ref, request.session, request.frontendInputs, extraOf(request), signal);
    this.jobs.add(job);
    const record = historyRecord(request, job);
    if (!request.internal) this.history.started(record);
    try {
      const { exporterResponse, ...outcome } = await this.#run(job, request);
      this.#complete(job, request, { ...record, exporterResponse }, { outcome });
      return { exporterResponse };
    } catch (error) {
      const { code } = serviceError(error);
      this.#complete(job, request, { ...record, error: { code, message: reasonOf(error) } }, { error });
      throw error;
    } finally {
      await this.jobs.remove(job);
    }
  }

  async #run(job: SolveJob, request: SolveRequest__Output): Promise<Outcome> {
    const outputs = wantedOutputs(request);
    const pending = request.frontend === '' ? (await job.outcome).result : await this.#describe(job, request);
    if (!pending) return { exporterResponse: {} };
    const result = await pending.export(await this.#exports(job, outputs), job.signal);
    return { exporterResponse: imageResponse(outputs, result.id), pending, result };
  }

  /** The front end runs here: clients without a gateway of their own. */
  async #describe(job: SolveJob, request: SolveRequest__Output): Promise<PendingResult> {
    requireDockerfileFrontend(request.frontend);
    if (request.frontendAttributes['requestid']) {
      throw unsupported('the build option "requestid" is answered at the gateway (LLBBridge.Solve) only');
    }
    const extra = { ...job.extra, cacheFrom: cacheOptions(request).cacheFrom };
    const result = await this.frontend.describe(
      job,
      request.frontendAttributes,
      request.frontendInputs,
      extra,
      job.signal,
    );
    job.add(result);
    return result;
  }

  async #exports(job: SolveJob, outputs: readonly WantedOutput[]): Promise<ReturnType<typeof buildExport>[]> {
    const session = outputs.length > 0 ? await this.sessions.get(job.sessionId, job.signal) : undefined;
    const warn = (message: string): void => job.status.report({ kind: 'warning', vertex: '', message });
    return outputs.map((output, index) => buildExport(output, index, () => session!, warn, job.signal));
  }

  #complete(
    job: SolveJob,
    request: SolveRequest__Output,
    record: HistoryRecord,
    { outcome, error }: { outcome?: Omit<Outcome, 'exporterResponse'>; error?: unknown },
  ): void {
    if (request.internal) return;
    const { total, completed, cached } = job.status.counts();
    const complete = {
      ...record,
      completedAt: timestamp(new Date()),
      numTotalSteps: total,
      numCompletedSteps: completed,
      numCachedSteps: cached,
      numWarnings: job.status.warnings,
    };
    this.history.completed(complete, {
      status: job.status.told,
      provenance: outcome && provenanceOf(job, request, outcome),
      failure: error === undefined ? undefined : failureDetails(error),
    });
  }
}

/** What has come of a build. */
interface Outcome {
  exporterResponse: Record<string, string>;
  pending?: PendingResult;
  result?: BuildResult;
}

function provenanceOf(
  { ref, created: started }: SolveJob,
  { frontendAttributes }: SolveRequest__Output,
  { pending, result }: Omit<Outcome, 'exporterResponse'>,
): string | undefined {
  if (!pending || !result) return undefined;
  const { source, main } = pending;
  return provenance({ ref, frontendAttributes, source, origin: main.origin, result, started });
}

function historyRecord(request: SolveRequest__Output, job: SolveJob): HistoryRecord {
  return {
    ref: request.ref,
    frontend: request.frontend,
    frontendAttributes: request.frontendAttributes,
    exporters: wantedOutputs(request).map(({ type, attributes }) => ({ type, attributes: { ...attributes } })),
    createdAt: timestamp(job.created),
  };
}

function refuseUnsupported(request: SolveRequest__Output): void {
  refuseBuildGraph(request.definition);
  refuseSourcePolicies(request.sourcePolicy.length > 0 || request.sourcePolicySession !== '');
}

function extraOf(request: SolveRequest__Output): SolveJob['extra'] {
  return {
    entitlements: new Set(request.entitlements.map(entitlement)),
    inlineCache: cacheOptions(request).inlineCache,
  };
}

/** @throws GantryError for a cache that is not kept in images */
function cacheOptions({ cache }: SolveRequest__Output): { cacheFrom: string[]; inlineCache: boolean } {
  const exports = cache?.exports ?? [];
  for (const { type } of exports) {
    if (type !== 'inline') throw unsupported(`cannot export a cache of type "${type}": use type=inline`);
  }
  if (cache?.exportReference) throw unsupported('cannot export the cache to a registry: use type=inline');
  const imports = (cache?.imports ?? []).map(({ type, attributes }) => cacheImport(type, attributes));
  return { cacheFrom: [...(cache?.importReferences ?? []), ...imports], inlineCache: exports.length > 0 };
}

/** The bytes of a session that comes inside of a call. */
function connectionIn(call: ServerDuplexStream<BytesMessage, BytesMessage>): RpcDuplex {
  const duplex = new RpcDuplex();
  duplex.attach({
    send: (data) => call.write({ data }),
    drained: () => new Promise((resolve) => call.once('drain', resolve).once('close', resolve)),
    end: () => {
      call.end();
      return Promise.resolve();
    },
    cancel: () => call.end(),
    pause: () => call.pause(),
    resume: () => call.resume(),
  });
  call.on('data', ({ data }: BytesMessage) => duplex.receive(Buffer.from(data as Buffer)));
  call.on('end', () => duplex.receiveEnd());
  call.on('cancelled', () => duplex.destroy());
  call.on('error', () => duplex.destroy());
  return duplex;
}
