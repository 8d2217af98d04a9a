import { execFileSync } from 'node:child_process';

let instances = 0;

/**
 * A machine beyond this one, played by a network namespace on a link of its own. It knows no way but to this host's address
 * on that link, unless a test gives it one.
 */
export class OtherHost {
  readonly #name = `oh${process.pid}x${++instances}`;
  readonly #net = `10.77.${process.pid & 255}`;
  readonly #net6 = `fd77:${(process.pid & 0xffff).toString(16)}:${instances}`;
  /** This host's end of the link. */
  readonly link = this.#name.slice(0, 15);
  readonly ours = `${this.#net}.${instances * 4 + 1}`;
  readonly address = `${this.#net}.${instances * 4 + 2}`;
  readonly ours6 = `${this.#net6}::1`;
  readonly address6 = `${this.#net6}::2`;

  constructor() {
    this.#ip('netns', 'add', this.#name);
    this.#ip('link', 'add', this.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name);
    this.#ip('address', 'add', `${this.ours}/30`, 'dev', this.link);
    this.#ip('address', 'add', `${this.ours6}/64`, 'dev', this.link, 'nodad');
    this.#ip('link', 'set', this.link, 'up');
    this.ip('address', 'add', `${this.address}/30`, 'dev', 'eth0');
    this.ip('address', 'add', `${this.address6}/64`, 'dev', 'eth0', 'nodad');
    this.ip('link', 'set', 'lo', 'up');
    this.ip('link', 'set', 'eth0', 'up');
  }

  /** What `nsenter` takes to be there. */
  get namespace(): string {
    return `/run/netns/${this.#name}`;
  }

  /** Runs `ip` over there. */
  ip(...words: string[]): string {
    return this.#ip('netns', 'exec', this.#name, 'ip', ...words);
  }

  remove(): void {
    for (const words of [
      ['link', 'delete', this.link],
      ['netns', 'delete', this.#name],
    ]) {
      try {
        this.#ip(...words);
      } catch {
        // It was never made.
      }
    }
  }

  #ip(...words: string[]): string {
    return execFileSync('ip', words, { stdio: 'pipe', encoding: 'utf8' });
  }
}
