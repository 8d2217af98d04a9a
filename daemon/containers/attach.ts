import { finished } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import { conflict } from '../errors.js';
import { type Container, restarting } from './container.js';
import { Demultiplexer } from './demultiplexer.js';
import { parseDetachKeys } from './detach-keys.js';
import type { ContainerEvents } from './events.js';
import type { Logs } from './logs.js';
import { connectStreams } from './stream-pair.js';

export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** First what is in the log. */
  logs: boolean;
  /** Then what comes. */
  stream: boolean;
  detachKeys?: string | undefined;
  /** Without a terminal: output comes as Docker's frames, which tell stdout from stderr. */
  multiplexed: boolean;
}

/** Attaches clients to a container's first process, also before it has been started. */
export class Attachments {
  constructor(
    readonly logs: Logs,
    readonly events: ContainerEvents,
  ) {}

  /** Checks the request; call before the connection is taken over, while an error can still be answered. */
  validate(container: Container, options: AttachOptions): void {
    if (container.state.status === 'paused') {
      throw conflict(`container ${container.id} is paused, unpause the container before attach`);
    }
    if (container.state.status === 'restarting') throw restarting(container);
    parseDetachKeys(options.detachKeys);
  }

  /** Serves one client until its streams end. */
  async attach(container: Container, options: AttachOptions, client: Duplex): Promise<void> {
    this.events.publish(container, 'attach');
    if (options.logs) await this.#replay(container, options, client);
    if (!options.stream) return void client.end();
    if (container.shim && container.running) return this.#connect(container, options, client);
    await this.#connectAtStart(container, options, client);
  }

  async #replay(container: Container, options: AttachOptions, client: Duplex): Promise<void> {
    const log = this.logs.read(container, { ...options, follow: false, timestamps: false, details: false });
    const output = framesToTake(container, options) ? log.pipe(new Demultiplexer()) : log;
    output.pipe(client, { end: false });
    await finished(output);
  }

  /** Resolves when the streams have ended; the start waits only until they are connected. */
  #connectAtStart(container: Container, options: AttachOptions, client: Duplex): Promise<void> {
    return new Promise((resolve, reject) => {
      const connect = async (): Promise<void> => {
        const stream = await this.#open(container, options);
        this.#serve(container, options, client, stream).then(resolve, reject);
      };
      const giveUp = (): void => {
        if (container.pendingAttachments.delete(connect)) client.end(resolve);
      };
      container.pendingAttachments.set(connect, giveUp);
      client.once('close', () => {
        container.pendingAttachments.delete(connect);
        resolve();
      });
    });
  }

  async #connect(container: Container, options: AttachOptions, client: Duplex): Promise<void> {
    await this.#serve(container, options, client, await this.#open(container, options));
  }

  async #open(container: Container, options: AttachOptions): Promise<Duplex> {
    if (!container.shim) throw conflict(`container ${container.id} is not running`);
    const stdin = options.stdin && (container.config.OpenStdin ?? false);
    return container.shim.attach({ stdin, stdout: options.stdout, stderr: options.stderr });
  }

  #serve(container: Container, options: AttachOptions, client: Duplex, stream: Duplex): Promise<void> {
    return connectStreams(client, stream, {
      stdin: options.stdin && (container.config.OpenStdin ?? false),
      through: framesToTake(container, options) ? new Demultiplexer() : undefined,
      detachKeys: container.config.Tty ? parseDetachKeys(options.detachKeys) : undefined,
      onDetach: () => this.events.publish(container, 'detach'),
    });
  }
}

/** Whether output has frames that the client does not want. */
const framesToTake = ({ config }: Container, { multiplexed }: AttachOptions): boolean => !config.Tty && !multiplexed;

/** Connects the clients that wait for the container's start. */
export async function connectPending({ pendingAttachments }: Container): Promise<void> {
  const waiting = [...pendingAttachments.keys()];
  pendingAttachments.clear();
  await Promise.all(waiting.map((connect) => connect()));
}
