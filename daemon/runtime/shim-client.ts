import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connectionLost, connectToShim, openStream } from './shim-connection.js';
import { ShimError, type ErrorAnswer } from './shim-error.js';
import { encodeMessage, MessageReader } from './shim-framing.js';

export { ShimError } from './shim-error.js';

export interface ShimState {
  status: 'created' | 'running' | 'stopped';
  pid: number;
  startedAt: string;
  exitCode?: number;
  oomKilled?: boolean;
  execs: { execId: string; pid: number; running: boolean; exitCode?: number }[];
}

export interface ShimExit {
  exitCode: number;
  oomKilled: boolean;
  finishedAt: string;
}

export interface StreamSelection {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface ShimExecOptions extends StreamSelection {
  execId: string;
  /** An OCI `process` object. */
  process: object;
  detach: boolean;
}

interface ShimEvents {
  oom: [];
  'exec-exit': [{ execId: string; exitCode: number }];
  exit: [ShimExit];
  /** The connection has ended: the shim has, or this client was closed. */
  close: [];
}

interface Waiting {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

type Message = { id: number; ok?: unknown; error?: ErrorAnswer } | ({ event: string } & Record<string, unknown>);

/**
 * A control connection to a shim (docs/shim-protocol.md), and the way to its streams.
 * `exit` and `close` happen once; a listener that comes too late is still told.
 */
export class ShimClient extends EventEmitter<ShimEvents> {
  readonly #socket: Socket;
  readonly #bundle: string;
  readonly #reader = new MessageReader((message) => this.#dispatch(message as Message));
  readonly #waiting = new Map<number, Waiting>();
  readonly #past = new Map<string | symbol, unknown[]>();
  #nextId = 1;

  private constructor(socket: Socket, bundle: string) {
    super();
    // Every exec that runs listens for its exit.
    this.setMaxListeners(0);
    this.#socket = socket;
    this.#bundle = bundle;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => socket.destroy());
    socket.once('end', () => socket.destroy());
    socket.once('close', () => this.#closed());
    // Node emits newListener on every emitter; the type of our events leaves it out.
    (this as EventEmitter).on('newListener', (event: string, listener: (...details: unknown[]) => void) =>
      this.#tellOfPast(event, listener),
    );
  }

  /** Takes over the descriptor of a connected control connection. */
  static fromDescriptor(fd: number, bundle: string): ShimClient {
    return new ShimClient(new Socket({ fd, readable: true, writable: true, allowHalfOpen: true }), bundle);
  }

  /** Connects to a shim that runs already. @throws Error when none listens there */
  static async connect(bundle: string): Promise<ShimClient> {
    const socket = await connectToShim(bundle);
    socket.write(encodeMessage({ type: 'control' }));
    return new ShimClient(socket, bundle);
  }

  create(): Promise<{ pid: number }> {
    return this.#request({ type: 'create' });
  }

  start(): Promise<{ pid: number; startedAt: string }> {
    return this.#request({ type: 'start' });
  }

  /** Creates and starts in one. */
  run(): Promise<{ pid: number; startedAt: string }> {
    return this.#request({ type: 'run' });
  }

  async kill(signal: number): Promise<void> {
    await this.#request({ type: 'kill', signal });
  }

  async killExec(execId: string, signal: number): Promise<void> {
    await this.#request({ type: 'kill-exec', execId, signal });
  }

  async resize(options: { execId?: string; width: number; height: number }): Promise<void> {
    await this.#request({ type: 'resize', ...options });
  }

  async reopenLog(): Promise<void> {
    await this.#request({ type: 'reopen-log' });
  }

  /** Replaces where published ports lead to; in the order of `ports` in shim.json. */
  async forward(ports: object[]): Promise<void> {
    await this.#request({ type: 'forward', ports });
  }

  /** Starts the container's DNS server if it is to have one now, or ends it. */
  async dns(): Promise<void> {
    await this.#request({ type: 'dns' });
  }

  /** When the container is ending, the answer comes once its exit record is on disk. */
  state(): Promise<ShimState> {
    return this.#request({ type: 'state' });
  }

  /** The container's streams: raw with a terminal, else Docker's multiplexed frames. End it to end the input. */
  async attach(selection: StreamSelection): Promise<Duplex> {
    const { stream } = await openStream(this.#bundle, { type: 'attach', ...selection });
    return stream;
  }

  /** Starts a further process. There is no stream when it is detached. */
  async exec(options: ShimExecOptions): Promise<{ pid: number; stream: Duplex | undefined }> {
    const { answer, stream } = await openStream<{ pid: number }>(this.#bundle, { type: 'exec', ...options });
    if (options.detach) stream.destroy();
    return { pid: answer.pid, stream: options.detach ? undefined : stream };
  }

  /** Ends the connection. A container that has not been started ends with its last control connection. */
  close(): void {
    this.#socket.destroy();
  }

  #request<Result>(request: object): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(connectionLost());
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(encodeMessage({ id, ...request }));
    });
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }

  #dispatch(message: Message): void {
    if ('event' in message) return this.#announce(message);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error) waiting?.reject(new ShimError(message.error));
    else waiting?.resolve(message.ok as never);
  }

  #announce({ event, ...details }: { event: string } & Record<string, unknown>): void {
    switch (event) {
      case 'oom':
        this.emit('oom');
        break;
      case 'exec-exit':
        this.emit('exec-exit', details as { execId: string; exitCode: number });
        break;
      case 'exit':
        this.#past.set('exit', [details]);
        this.emit('exit', details as unknown as ShimExit);
        break;
    }
  }

  #closed(): void {
    for (const { reject } of this.#waiting.values()) reject(connectionLost());
    this.#waiting.clear();
    this.#past.set('close', []);
    this.emit('close');
  }

  #tellOfPast(event: string | symbol, listener: (...details: unknown[]) => void): void {
    const details = this.#past.get(event);
    if (!details) return;
    queueMicrotask(() => {
      this.off(event as 'close', listener);
      listener.apply(this, details);
    });
  }
}
