import type { Content } from '../images/content.js';
import { Staging } from '../images/staging.js';
import type { BuildContext, ContextTree } from './build-context.js';
import { RemoteFiles } from './remote-files.js';

/** A repository as a named context: fetched when something of it is wanted. */
export class RemoteContext implements BuildContext {
  readonly name: string;
  readonly #staging: Staging;
  #opening: Promise<ContextTree> | undefined;

  constructor(
    content: Content,
    name: string,
    readonly url: string,
  ) {
    this.name = `context ${name}`;
    this.#staging = new Staging(content);
  }

  open(_wanted: object, signal: AbortSignal): Promise<ContextTree> {
    return (this.#opening ??= this.#fetch(signal));
  }

  async #fetch(signal: AbortSignal): Promise<ContextTree> {
    const { directory } = await new RemoteFiles(this.#staging).fetch(this.url, { keepGitDirectory: false }, signal);
    return { directory, release: () => Promise.resolve() };
  }

  /** To be called when nothing builds from it any more. */
  async discard(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    await this.#staging.discard();
  }
}
