import { StringDecoder } from 'node:string_decoder';
import type { ProgressMessage } from '../../http/progress.js';
import { shortId } from '../../images/digest.js';
import type { BuildEvent, LogEvent, StatusEvent, StepEvent } from '../build-progress.js';

type Send = (message: ProgressMessage) => Promise<void>;
type Write = () => Promise<void> | void;

/**
 * Tells of a build as the classic builder does: one stage after the other, whichever way they are built. What a later stage
 * says waits until the ones before are done.
 */
export class ClassicOutput {
  readonly #stages = new Map<number, Write[]>();
  readonly #open = new Set<number>();
  readonly #stageOf = new Map<string, number>();
  readonly #decoders = new Map<string, StringDecoder>();
  readonly #containers = new Map<string, string>();
  #tail: Promise<void> = Promise.resolve();
  #failed = false;

  /** @param quiet tells nothing at all */
  constructor(
    readonly send: Send,
    readonly quiet: boolean,
  ) {}

  /** Takes one event; never waits. */
  report(event: BuildEvent): void {
    if (this.quiet) return;
    if (event.kind === 'step') return this.#step(event);
    if (event.kind === 'log') return this.#log(event);
    if (event.kind === 'status') return this.#status(event);
    if (event.kind === 'warning') this.#write(() => this.#stream(`[Warning] ${event.message}\n`));
  }

  /** Waits until everything is told; after a failure also what was held back. */
  async finish(): Promise<void> {
    for (const index of [...this.#stages.keys()].sort((a, b) => a - b)) this.#flush(index);
    await this.#tail;
    this.#failed = false;
  }

  #stream(text: string): Promise<void> {
    return this.send({ stream: text });
  }

  #step(event: StepEvent): void {
    const { stage, vertex } = event;
    this.#stageOf.set(vertex, stage);
    switch (event.phase) {
      case 'stages':
        for (const index of event.order) this.#open.add(index);
        return;
      case 'stage-end':
        this.#open.delete(stage);
        return this.#flushNext();
      case 'begin':
        if (event.number === undefined) return;
        return this.#enqueue(stage, async () => {
          await this.#stream(`Step ${event.number}/${event.total} : ${event.text}`);
          await this.#stream('\n');
        });
      case 'triggers': {
        const noun = event.count === 1 ? 'trigger' : 'triggers';
        return this.#enqueue(stage, () => this.#stream(`# Executing ${event.count} build ${noun}\n`));
      }
      case 'container':
        this.#containers.set(vertex, event.id);
        return this.#enqueue(stage, () => this.#stream(` ---> Running in ${event.id.slice(0, 12)}\n`));
      case 'end':
        return this.#end(event);
    }
  }

  #end(event: StepEvent & { phase: 'end' }): void {
    const { stage, vertex } = event;
    const container = this.#containers.get(vertex);
    this.#enqueue(stage, async () => {
      if (container !== undefined)
        await this.#stream(` ---> Removed intermediate container ${container.slice(0, 12)}\n`);
      if (event.cached) await this.#stream(' ---> Using cache\n');
      const id = await event.imageId().catch(() => undefined);
      if (id !== undefined) await this.#stream(` ---> ${shortId(id)}\n`);
    });
  }

  #log({ vertex, stream, data }: LogEvent): void {
    const stage = this.#stageOf.get(vertex);
    if (stage === undefined) return;
    const key = `${vertex} ${stream}`;
    let decoder = this.#decoders.get(key);
    if (!decoder) this.#decoders.set(key, (decoder = new StringDecoder('utf8')));
    const text = decoder.write(Buffer.from(data));
    if (text === '') return;
    // Docker shows what comes on stderr in red.
    const shown = stream === 'stderr' ? `\u001b[91m${text}\u001b[0m` : text;
    this.#enqueue(stage, () => this.#stream(shown));
  }

  /** Only what is pulled has a place in this API. */
  #status({ id, name, current, total, completed }: StatusEvent): void {
    if (!/^[0-9a-f]{12}$/.test(id)) return;
    const status = completed ? 'Pull complete' : 'Downloading';
    this.#write(() => this.send({ status, id: name, progressDetail: total > 0 ? { current, total } : {} }));
  }

  /** The stage whose turn it is writes at once. */
  #enqueue(stage: number, write: Write): void {
    if (stage === this.#current()) return this.#write(write);
    const held = this.#stages.get(stage) ?? [];
    held.push(write);
    this.#stages.set(stage, held);
  }

  #current(): number {
    return Math.min(...this.#open);
  }

  #flushNext(): void {
    const next = this.#current();
    for (const index of [...this.#stages.keys()].sort((a, b) => a - b)) if (index <= next) this.#flush(index);
  }

  #flush(stage: number): void {
    for (const write of this.#stages.get(stage) ?? []) this.#write(write);
    this.#stages.delete(stage);
  }

  #write(write: Write): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#failed) return;
      try {
        await write();
      } catch {
        // The client has gone; the build hears of it by its signal.
        this.#failed = true;
      }
    });
  }
}
