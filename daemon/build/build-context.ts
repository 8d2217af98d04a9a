import type { BuildResult } from './build-result.js';

/** Files that a build reads and does not change: the client's, a git repository's, an archive's. */
export interface BuildContext {
  /** What messages and progress call it: "[internal] load build context". */
  name: string;
  /**
   * Brings what is wanted to the disk. What the context's own `.dockerignore` leaves out is not there. May be called several
   * times, also for things that are there already.
   * @param progress told the bytes that have come so far
   */
  open(wanted: WantedFiles, signal: AbortSignal, progress?: (bytes: number) => void): Promise<ContextTree>;
  /** What its `.dockerignore` says; none where there is none. */
  ignorePatterns?: () => Promise<readonly string[]>;
}

/** What a build is going to read of a context. More may be there; less may not. */
export interface WantedFiles {
  /**
   * Paths and patterns (`*`, `?`, `[…]`) as COPY has them, relative to the context, with what lies below; "." is
   * everything. Where one leads through symbolic links, what they point at is wanted, too.
   */
  paths: readonly string[];
}

export interface ContextTree {
  /** A directory of the host that nobody writes to until it is released. Links in it must not be trusted. */
  directory: string;
  /** "sha256:…" of a file's content where that is known already, so that it need not be read. */
  contentDigest?: (path: string) => string | undefined;
  release(): Promise<void>;
}

/** What `--build-context name=…` gives. */
export type NamedContext =
  | { kind: 'tree'; context: BuildContext }
  | { kind: 'image'; reference: string }
  /** The result of another build: `target:` of bake. */
  | { kind: 'result'; result: BuildResult };
