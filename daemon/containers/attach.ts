import { finished } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import { conflict } from '../errors.js';
import type { Container } from './container.js';
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
    if (container.state.status === 'restarting') {
      throw conflict(`container ${container.id} is restarting, wait until the container is running`);
    }
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
    log.pipe(client, { end: false });
    await finished(log);
  }

  /** Resolves when the streams have ended; the start waits only until they are connected. */
  #connectAtStart(container: Container, options: AttachOptions, client: Duplex): Promise<void> {
    return new Promise((resolve, reject) => {
      const connect = async (): Promise<void> => {
        const stream = await this.#open(container, options);
        this.#serve(container, options, client, stream).then(resolve, reject);
      };
      container.pendingAttachments.add(connect);
      client.once('close', () => {
        container.pendingAttachments.delete(connect);
        resolve();
      });
      // A start that fails ends the client's wait; its message comes with the answer to the start.
      container.exitWaiters.add(() => {
        if (container.pendingAttachments.delete(connect)) client.end(resolve);
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
      detachKeys: container.config.Tty ? parseDetachKeys(options.detachKeys) : undefined,
      onDetach: () => this.events.publish(container, 'detach'),
    });
  }
}
