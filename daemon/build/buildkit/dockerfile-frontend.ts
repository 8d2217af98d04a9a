import { parseDockerfile } from '../../dockerfile/parse.js';
import { invalid, notFound, unsupported } from '../../errors.js';
import type { Definition__Output } from '../../generated/rpc/pb/Definition.js';
import type { BuildContext, NamedContext } from '../build-context.js';
import type { BuildRequest, Entitlement } from '../build-request.js';
import type { Build } from '../build-result.js';
import { Vertex } from '../progress.js';
import { ClientFiles } from './client-files.js';
import { clientAgents, clientCredentials, clientSecrets } from './client-services.js';
import type { ContextStore } from './context-store.js';
import { dockerfileOptions, type DockerfileOptions } from './dockerfile-options.js';
import { readIgnorePatterns } from './ignore-patterns.js';
import { located, type ShownSource } from './failure.js';
import { PendingResult } from './pending-result.js';
import { resultIdOf } from './result-definition.js';
import type { ClientSession, Sessions } from './sessions.js';
import type { SolveJob, SolveJobs } from './solve-job.js';

/** Describes a build by what a client asks of the Dockerfile front end. */
export class DockerfileFrontend {
  constructor(
    readonly builder: Build,
    readonly sessions: Sessions,
    readonly contexts: ContextStore,
    readonly jobs: SolveJobs,
  ) {}

  /** Reads the Dockerfile and everything else that has to be known before anything runs. */
  async describe(
    job: SolveJob,
    attributes: Readonly<Record<string, string>>,
    inputs: Readonly<Record<string, Definition__Output>>,
    extra: { cacheFrom: readonly string[]; entitlements: ReadonlySet<Entitlement>; inlineCache: boolean },
    signal: AbortSignal,
  ): Promise<PendingResult> {
    const options = dockerfileOptions(attributes);
    const session = await this.sessions.get(job.sessionId, signal);
    const { text, ignoreText } = await this.#readDockerfile(job, options, signal);
    const source = { filename: options.filename, text };
    job.status.source ??= source;
    requireSound(source);
    const ingredients: PendingResult[] = [];
    const request: Omit<BuildRequest, 'exports' | 'signal'> = {
      dockerfile: text,
      dockerfileName: options.filename,
      target: options.target,
      buildArgs: options.buildArgs,
      labels: options.labels,
      platform: options.platform,
      context: await this.#context(job, options, ignoreText, signal),
      namedContexts: await this.#namedContexts(job, options, inputs, ingredients, signal),
      secrets: clientSecrets(session),
      agents: clientAgents(session),
      credentials: (registry, asked) => clientCredentials(session, registry, asked),
      noCache: options.noCache,
      pull: options.pull,
      cacheFrom: [...options.cacheFrom, ...extra.cacheFrom],
      inlineCache: extra.inlineCache,
      run: options.run,
      entitlements: extra.entitlements,
      squash: false,
    };
    return new PendingResult(this.builder, request, source, job.status.report, ingredients);
  }

  /** The Dockerfile, and the .dockerignore that goes with it alone. */
  async #readDockerfile(
    job: SolveJob,
    { filename, dockerfileDirectory, sessionIds }: DockerfileOptions,
    signal: AbortSignal,
  ): Promise<{ text: string; ignoreText: string | undefined }> {
    const session = await this.#sessionOf(job, sessionIds, dockerfileDirectory, signal);
    const ignoreName = `${filename}.dockerignore`;
    const followPaths = [
      filename,
      ignoreName,
      ...(filename.endsWith('Dockerfile') ? [filename.replace(/D(?=ockerfile$)/, 'd')] : []),
    ];
    const name = `[internal] load build definition from ${filename}`;
    const vertex = new Vertex(job.status.report, `${name} ${session.offer.id} ${job.ref}`, name);
    const files = await vertex.run(() =>
      readFiles(vertex, 'transferring dockerfile:', session, dockerfileDirectory, followPaths, signal),
    );
    const text = files.text(filename) ?? files.text(followPaths[2] ?? filename);
    if (text === undefined) throw notFound(`failed to read dockerfile: open ${filename}: no such file or directory`);
    return { text, ignoreText: files.text(ignoreName) };
  }

  async #context(
    job: SolveJob,
    options: DockerfileOptions,
    ignoreText: string | undefined,
    signal: AbortSignal,
  ): Promise<BuildContext> {
    if (options.contextLocation !== undefined)
      throw unsupported(`remote contexts are not supported yet: ${options.contextLocation}`);
    const { contextDirectory: directory, sessionIds } = options;
    const session = await this.#sessionOf(job, sessionIds, directory, signal);
    let ignore: Promise<string[]> | undefined;
    const excludes = (): Promise<string[]> => (ignore ??= this.#readIgnore(job, session, directory, ignoreText));
    return this.#clientContext('build context', session, directory, excludes);
  }

  /** A directory of the client. */
  #clientContext(
    name: string,
    session: ClientSession,
    directory: string,
    excludes: () => Promise<readonly string[]>,
  ): BuildContext {
    return {
      name,
      open: async ({ paths }, signal) => {
        const followPaths = paths.some((path) => path === '.' || path === '') ? [] : [...paths].sort();
        const options = { directory, followPaths, excludes: await excludes() };
        return this.contexts.open(session, options, () => undefined, signal);
      },
    };
  }

  async #readIgnore(
    job: SolveJob,
    session: ClientSession,
    directory: string,
    ignoreText: string | undefined,
  ): Promise<string[]> {
    const name = '[internal] load .dockerignore';
    const vertex = new Vertex(job.status.report, `${name} ${session.offer.id} ${job.ref}`, name);
    return vertex.run(async () => {
      if (ignoreText !== undefined) return readIgnorePatterns(ignoreText);
      const files = await readFiles(vertex, 'transferring context:', session, directory, ['.dockerignore'], job.signal);
      return readIgnorePatterns(files.text('.dockerignore') ?? '');
    });
  }

  async #namedContexts(
    job: SolveJob,
    { namedContexts, sessionIds }: DockerfileOptions,
    inputs: Readonly<Record<string, Definition__Output>>,
    ingredients: PendingResult[],
    signal: AbortSignal,
  ): Promise<Map<string, NamedContext>> {
    const contexts = new Map<string, NamedContext>();
    for (const [name, value] of namedContexts) {
      const { scheme = '', rest = '' } = /^(?<scheme>[\w-]+):(?<rest>.*)$/s.exec(value)?.groups ?? {};
      if (scheme === 'docker-image') contexts.set(name, { kind: 'image', reference: rest.replace(/^\/\//, '') });
      else if (scheme === 'input') contexts.set(name, await this.#input(rest, inputs, ingredients));
      else if (scheme === 'local') {
        const session = await this.#sessionOf(job, sessionIds, rest, signal);
        let ignore: Promise<string[]> | undefined;
        const excludes = (): Promise<string[]> => (ignore ??= this.#readIgnore(job, session, rest, undefined));
        contexts.set(name, { kind: 'tree', context: this.#clientContext(`context ${name}`, session, rest, excludes) });
      } else throw unsupported(`the build context "${name}" (${value}) is of a kind that Gantry does not support`);
    }
    return contexts;
  }

  async #input(
    name: string,
    inputs: Readonly<Record<string, Definition__Output>>,
    ingredients: PendingResult[],
  ): Promise<NamedContext> {
    const id = resultIdOf(inputs[name]);
    const result = id === undefined ? undefined : this.jobs.findResult(id);
    if (!result) throw invalid(`the build's input "${name}" is not the result of another build here`);
    ingredients.push(result.join());
    return { kind: 'result', result: await result.evaluate() };
  }

  #sessionOf(
    job: SolveJob,
    sessionIds: ReadonlyMap<string, string>,
    directory: string,
    signal: AbortSignal,
  ): Promise<ClientSession> {
    return this.sessions.get(sessionIds.get(directory) ?? job.sessionId, signal);
  }
}

/** Mistakes are told before anything else is asked of the client. @throws LocatedFailure */
function requireSound(source: ShownSource): void {
  try {
    parseDockerfile(source.text);
  } catch (error) {
    throw located(error, source);
  }
}

async function readFiles(
  vertex: Vertex,
  title: string,
  session: ClientSession,
  directory: string,
  followPaths: readonly string[],
  signal: AbortSignal,
): Promise<ClientFiles> {
  const started = new Date();
  let bytes = 0;
  const options = { directory, followPaths, excludes: [] };
  const files = await ClientFiles.read(session, options, (current) => (bytes = current), signal);
  vertex.status({ id: title, name: 'transferring', current: bytes, total: 0, started, completed: new Date() });
  return files;
}
