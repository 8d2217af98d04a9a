import { randomBytes } from 'node:crypto';
import { invalid, notFound } from '../../errors.js';
import type { Definition__Output } from '../../generated/rpc/pb/Definition.js';
import type { Entitlement } from '../build-request.js';
import { AwaitedMap } from './awaited-map.js';
import { BuildStatus } from './build-status.js';
import type { PendingResult } from './pending-result.js';

/** One for all: an exception costs more than one might think. */
const jobIsOver = new DOMException('the build is over', 'AbortError');

/** What a front end has decided, and what is to become of it. */
export interface JobOutcome {
  /** Nothing, for a request that was not a build. */
  result: PendingResult | undefined;
}

/** A build that a client has asked Control to solve, from there to its end. */
export class SolveJob {
  readonly status = new BuildStatus();
  readonly created = new Date();
  readonly #results = new Map<string, PendingResult>();
  readonly #stop = new AbortController();
  readonly #outcome = Promise.withResolvers<JobOutcome>();

  constructor(
    readonly ref: string,
    readonly sessionId: string,
    readonly inputs: Readonly<Record<string, Definition__Output>>,
    /** What holds for everything that the front end asks for. */
    readonly extra: { entitlements: ReadonlySet<Entitlement>; inlineCache: boolean },
    clientSignal: AbortSignal,
  ) {
    this.#outcome.promise.catch(() => undefined);
    clientSignal.addEventListener('abort', () => this.stop(), { once: true });
    if (clientSignal.aborted) this.stop();
  }

  /** Aborted when the client has given up, or the job is over. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** What the front end in the client returns. */
  get outcome(): Promise<JobOutcome> {
    return this.#outcome.promise;
  }

  succeed(outcome: JobOutcome): void {
    this.#outcome.resolve(outcome);
  }

  fail(error: unknown): void {
    this.#outcome.reject(error);
  }

  /** Remembers a result, under a new id. */
  add(result: PendingResult): string {
    const id = randomBytes(16).toString('hex');
    this.#results.set(id, result);
    return id;
  }

  find(id: string): PendingResult | undefined {
    return this.#results.get(id);
  }

  result(id: string): PendingResult {
    const result = this.#results.get(id);
    if (!result) throw notFound(`no such ref: ${id}`);
    return result;
  }

  stop(): void {
    this.#stop.abort(jobIsOver);
    this.fail(jobIsOver);
  }

  /** Gives up what the job holds. */
  async close(): Promise<void> {
    this.stop();
    this.status.end();
    await Promise.all([...this.#results.values()].map((result) => result.leave()));
  }
}

/** The jobs under way. A call that belongs to one may come before it, and the question how it goes even after its end. */
export class SolveJobs {
  readonly #jobs: AwaitedMap<SolveJob>;
  readonly #statuses: AwaitedMap<BuildStatus>;

  constructor(patienceMilliseconds?: number) {
    this.#jobs = new AwaitedMap(patienceMilliseconds);
    this.#statuses = new AwaitedMap(patienceMilliseconds);
  }

  add(job: SolveJob): void {
    if (!/^[\w.:-]{1,128}$/.test(job.ref)) throw invalid(`invalid build ref "${job.ref.slice(0, 128)}"`);
    if (this.#jobs.peek(job.ref)) throw invalid(`a build with the ref ${job.ref} is under way already`);
    this.#jobs.set(job.ref, job);
    this.#statuses.set(job.ref, job.status);
  }

  async remove(job: SolveJob): Promise<void> {
    this.#jobs.delete(job.ref);
    setTimeout(() => this.#forgetStatus(job), this.#statuses.patience).unref();
    await job.close();
  }

  /** Waits for it a while. */
  async get(ref: string, signal: AbortSignal): Promise<SolveJob> {
    const job = await this.#jobs.get(ref, signal);
    if (!job) throw notFound(`no such job ${ref}`);
    return job;
  }

  /** Of a job under way, or one that ended just now: clients ask in a call of its own, which a quick build can overtake. */
  async status(ref: string, signal: AbortSignal): Promise<BuildStatus> {
    const status = await this.#statuses.get(ref, signal);
    if (!status) throw notFound(`no such job ${ref}`);
    return status;
  }

  #forgetStatus({ ref, status }: SolveJob): void {
    if (this.#statuses.peek(ref) === status) this.#statuses.delete(ref);
  }

  /** What another build has made or is making: bake hands it on by its id. */
  findResult(id: string): PendingResult | undefined {
    for (const job of this.#jobs.values()) {
      const result = job.find(id);
      if (result) return result;
    }
    return undefined;
  }
}
