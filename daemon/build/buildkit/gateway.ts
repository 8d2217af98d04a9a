import type { Metadata } from '@grpc/grpc-js';
import { invalid, unsupported } from '../../errors.js';
import type { LLBBridgeHandlers } from '../../generated/rpc/moby/buildkit/v1/frontend/LLBBridge.js';
import type { Result__Output } from '../../generated/rpc/moby/buildkit/v1/frontend/Result.js';
import type { SolveRequest__Output } from '../../generated/rpc/moby/buildkit/v1/frontend/SolveRequest.js';
import type { SolveResponse } from '../../generated/rpc/moby/buildkit/v1/frontend/SolveResponse.js';
import type { WorkerRecord } from '../../generated/rpc/moby/buildkit/v1/types/WorkerRecord.js';
import { Vertex } from '../progress.js';
import { capabilities } from './capabilities.js';
import type { DockerfileFrontend } from './dockerfile-frontend.js';
import { cacheImport } from './dockerfile-options.js';
import { ReturnedFailure } from './failure.js';
import type { ImageConfigs } from './image-configs.js';
import type { ResultFiles } from './result-files.js';
import { resultDefinition, resultIdOf } from './result-definition.js';
import { httpSourceOf, httpSourceRequest, type HttpSource } from './http-source.js';
import { PendingResult } from './pending-result.js';
import { type CallContext, unary } from './rpc-server.js';
import type { SolveJob, SolveJobs } from './solve-job.js';
import { answerSubrequest } from './subrequests.js';
import { refuseBuildGraph, refuseSourcePolicies, requireDockerfileFrontend } from './unsupported-requests.js';

/** The LLBBridge service: what a front end that runs in the client asks for while its build is under way. */
export class Gateway {
  constructor(
    readonly jobs: SolveJobs,
    readonly frontend: DockerfileFrontend,
    readonly files: ResultFiles,
    readonly images: ImageConfigs,
    readonly worker: () => WorkerRecord,
  ) {}

  handlers(): LLBBridgeHandlers {
    return {
      Ping: unary(async (_request, context) => {
        await this.#job(context);
        return capabilities(this.worker());
      }),

      Solve: unary(async (request, context) => this.#solve(await this.#job(context), request, context.signal)),

      Evaluate: unary(async ({ ref }, context) => {
        await (await this.#job(context)).result(ref).evaluate();
        return {};
      }),

      Return: unary(async ({ result, error }, context) => {
        const job = await this.#job(context);
        if (error && error.code !== 0) job.fail(new ReturnedFailure(error));
        else job.succeed({ result: this.#returned(job, result) });
        return {};
      }),

      ReadFile: unary(async ({ ref, path, range }, context) => {
        const result = await (await this.#job(context)).result(ref).evaluate();
        const data = await this.files.read(result, path);
        const start = range?.offset ?? 0;
        return { data: range ? data.subarray(start, range.length > 0 ? start + range.length : undefined) : data };
      }),

      ReadDir: unary(async ({ ref, path, includePattern }, context) => {
        const result = await (await this.#job(context)).result(ref).evaluate();
        return { entries: await this.files.list(result, path, includePattern || '*') };
      }),

      StatFile: unary(async ({ ref, path }, context) => {
        const result = await (await this.#job(context)).result(ref).evaluate();
        return { stat: await this.files.stat(result, path) };
      }),

      ResolveImageConfig: unary(async ({ ref, platform, resolveMode }, context) => {
        const job = await this.#job(context);
        const request = { reference: ref, platform, pull: resolveMode === 'pull' };
        const { digest, config, reference } = await this.images.resolve(request, job, context.signal);
        return { digest, config, ref: reference };
      }),

      ResolveSourceMeta: unary(async ({ source, platform, resolveMode }, context) => {
        const reference = /^docker-image:\/\/(.+)$/.exec(source?.identifier ?? '')?.[1];
        if (reference === undefined) throw unsupported(`cannot resolve the source ${source?.identifier ?? ''}`);
        const request = { reference, platform, pull: resolveMode === 'pull' };
        const { digest, config } = await this.images.resolve(request, await this.#job(context), context.signal);
        return { source, image: { digest, config } };
      }),

      Inputs: unary(async (_request, context) => ({ definitions: { ...(await this.#job(context)).inputs } })),

      Warn: unary(async ({ digest, short, ranges }, context) => {
        const [range] = ranges;
        const first = range?.start?.line;
        const lines = first === undefined ? undefined : { first, last: range?.end?.line ?? first };
        const job = await this.#job(context);
        job.status.report({
          kind: 'warning',
          vertex: digest,
          message: short.toString('utf8'),
          ...(lines && { lines }),
        });
        return {};
      }),
    };
  }

  /** The build that a call belongs to. */
  #job({ metadata, signal }: CallContext): Promise<SolveJob> {
    return this.jobs.get(buildId(metadata), signal);
  }

  async #solve(job: SolveJob, request: SolveRequest__Output, signal: AbortSignal): Promise<SolveResponse> {
    refuseSourcePolicies(request.sourcePolicies.length > 0);
    const known = resultIdOf(request.definition);
    if (known !== undefined) return reference(known);
    const file = httpSourceOf(request.definition);
    if (file) return reference(job.add(await this.#download(job, file)));
    refuseBuildGraph(request.definition);
    if (request.frontend === '') return { result: { ref: { id: '' } } };
    requireDockerfileFrontend(request.frontend);
    const cacheFrom = request.cacheImports.map(({ type, attributes }) => cacheImport(type, attributes));
    const extra = { cacheFrom, ...job.extra };
    const both = AbortSignal.any([signal, job.signal]);
    const describe = (): Promise<PendingResult> =>
      this.frontend.describe(job, request.frontendOptions, request.frontendInputs, extra, both);
    const subrequest = request.frontendOptions['requestid'];
    if (subrequest) return { result: { ref: { id: '' }, metadata: await inspected(job, subrequest, describe) } };
    const result = await describe();
    const id = job.add(result);
    if (request.evaluate) await result.evaluate();
    return reference(id);
  }

  async #download(job: SolveJob, file: HttpSource): Promise<PendingResult> {
    const source = { filename: file.url, text: '' };
    const nothing = { origin: undefined, discard: () => Promise.resolve() };
    const request = httpSourceRequest(file);
    const pending = new PendingResult(this.frontend.builder, request, source, () => undefined, [], nothing);
    const name = `[internal] load ${file.url}`;
    await new Vertex(job.status.report, `${name} ${job.ref}`, name).run(() => pending.evaluate());
    return pending;
  }

  #returned(job: SolveJob, result: Result__Output | null): ReturnType<SolveJob['find']> {
    if (!result) return undefined;
    if (result.refs || result.oldReferences)
      throw unsupported('results for several platforms are not supported by Gantry');
    if (Object.keys(result.attestations).length > 0) throw unsupported('attestations are not supported by Gantry');
    const id = result.ref?.id ?? result.oldReference ?? '';
    return id === '' ? undefined : job.result(id);
  }
}

function inspected(
  job: SolveJob,
  subrequest: string,
  describe: () => Promise<PendingResult>,
): ReturnType<typeof answerSubrequest> {
  return answerSubrequest(subrequest, async () => {
    const pending = await describe();
    job.add(pending);
    return pending;
  });
}

function reference(id: string): SolveResponse {
  return { result: { ref: { id, definition: resultDefinition(id) } } };
}

function buildId(metadata: Metadata): string {
  const [id] = metadata.get('buildkit-controlapi-buildid');
  if (id === undefined || id === '') throw invalid('the call does not name the build that it belongs to');
  return String(id);
}
