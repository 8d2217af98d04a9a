import { Readable } from 'node:stream';
import { parseDockerfile, type Dockerfile } from '../../dockerfile/parse.js';
import { invalid, notFound, unsupported } from '../../errors.js';
import type { Definition__Output } from '../../generated/rpc/pb/Definition.js';
import type { BuildContext, NamedContext } from '../build-context.js';
import type { BuildRequest, Entitlement } from '../build-request.js';
import type { Content } from '../../images/content.js';
import type { Build } from '../build-result.js';
import { openClassicContext } from '../classic/classic-context.js';
import { parseIgnoreFile } from '../dockerignore.js';
import type { Material } from '../material.js';
import { isGitUrl } from '../git-url.js';
import { Vertex } from '../progress.js';
import { RemoteContext } from '../remote-context.js';
import { TransferStatus } from '../transfer-status.js';
import { ClientFiles } from './client-files.js';
import { clientAgents, clientCredentials, clientSecrets, clientUpload } from './client-services.js';
import type { ContextStore } from './context-store.js';
import { dockerfileOptions, type DockerfileOptions } from './dockerfile-options.js';
import { transferFiles } from './file-transfer.js';
import { located, type ShownSource } from './failure.js';
import { PendingResult } from './pending-result.js';
import { resultIdOf } from './result-definition.js';
import type { ClientSession, Sessions } from './sessions.js';
import type { SolveJob, SolveJobs } from './solve-job.js';

/** What a build is made from first of all. */
interface MainContext {
  /** Of the Dockerfile. */
  text: string;
  context: BuildContext;
  /** Where it is from, if not from the client. */
  origin: Material | undefined;
  /** To be called when nothing builds from it any more. */
  discard: () => Promise<void>;
}

/** What the client says beside the options of the front end. */
interface Extra {
  cacheFrom: readonly string[];
  entitlements: ReadonlySet<Entitlement>;
  inlineCache: boolean;
}

/** Describes a build by what a client asks of the Dockerfile front end. */
export class DockerfileFrontend {
  constructor(
    readonly builder: Build,
    readonly sessions: Sessions,
    readonly contexts: ContextStore,
    readonly content: Content,
    readonly jobs: SolveJobs,
  ) {}

  /** Reads the Dockerfile and everything else that has to be known before anything runs. */
  async describe(
    job: SolveJob,
    attributes: Readonly<Record<string, string>>,
    inputs: Readonly<Record<string, Definition__Output>>,
    extra: Extra,
    signal: AbortSignal,
  ): Promise<PendingResult> {
    const options = dockerfileOptions(attributes);
    const session = await this.sessions.get(job.sessionId, signal);
    const main = await this.#openMain(job, options, signal);
    const ingredients: PendingResult[] = [];
    const discards = [main.discard];
    const discard = async (): Promise<void> => void (await Promise.all(discards.map((each) => each())));
    try {
      const source = { filename: options.filename, text: main.text };
      job.status.source ??= source;
      const dockerfile = parsed(source);
      const namedContexts = await this.#namedContexts(job, options, inputs, ingredients, discards, signal);
      const request = requestOf(main.context, dockerfile, session, options, namedContexts, extra);
      return new PendingResult(this.builder, request, source, job.status.report, ingredients, {
        origin: main.origin,
        discard,
      });
    } catch (error) {
      await discard();
      await Promise.all(ingredients.map((ingredient) => ingredient.leave()));
      throw error;
    }
  }

  /** The Dockerfile and the context, from wherever they are. */
  async #openMain(job: SolveJob, options: DockerfileOptions, signal: AbortSignal): Promise<MainContext> {
    if (options.contextLocation !== undefined) return this.#openRemote(job, options, options.contextLocation, signal);
    const { contextDirectory: directory, sessionIds } = options;
    const session = await this.#sessionOf(job, sessionIds, directory, signal);
    // At the same time as the Dockerfile, though another list may turn out to go before it.
    const general = this.#readIgnore(job, session, directory);
    general.catch(() => undefined);
    const { text, ignoreText } = await this.#readDockerfile(job, options, signal);
    const excludes = ignoreText === undefined ? general : Promise.resolve(parseIgnoreFile(ignoreText));
    const context = this.#clientContext('build context', session, directory, () => excludes);
    return { text, context, origin: undefined, discard: () => Promise.resolve() };
  }

  /** A repository, an archive at a URL, or one that the client sends; the Dockerfile is in it, or the client's. */
  async #openRemote(
    job: SolveJob,
    options: DockerfileOptions,
    location: string,
    signal: AbortSignal,
  ): Promise<MainContext> {
    const { filename, isDockerfileLocal, buildArgs } = options;
    const session = await this.sessions.get(job.sessionId, signal);
    const own = isDockerfileLocal ? (await this.#readDockerfile(job, options, signal)).text : undefined;
    const name = '[internal] load remote build context';
    const vertex = new Vertex(job.status.report, `${name} ${location} ${job.ref}`, name);
    const { context, dockerfile, origin, ...opened } = await vertex.run(() => {
      const upload = /^https?:\/\/buildkit-session\/(.*)$/.exec(location)?.[1];
      const source = {
        body: upload === undefined ? Readable.from([]) : clientUpload(session, `/${upload}`),
        remote: upload === undefined ? location : '',
        dockerfile: isDockerfileLocal ? undefined : filename,
        keepGitDirectory: /^(?:1|t|true)$/i.test(buildArgs['BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? ''),
      };
      return openClassicContext(this.content, source, signal);
    });
    return { text: own ?? dockerfile, context, origin, discard: () => opened.discard() };
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

  /** A directory of the client. @param excludes what of it is not there for builds */
  #clientContext(
    name: string,
    session: ClientSession,
    directory: string,
    excludes: () => Promise<string[]>,
  ): BuildContext {
    return {
      name,
      ignorePatterns: excludes,
      open: async ({ paths }, signal, progress = () => undefined) => {
        const followPaths = paths.some((path) => path === '.' || path === '') ? [] : [...paths].sort();
        const options = { directory, followPaths, excludes: await excludes() };
        const { id, sharedKey } = session.offer;
        const origin = { session: id, sharedKey, directory, selection: JSON.stringify(options) };
        const { maxEntries: entries, maxBytes: bytes } = this.content.layerLimits;
        return this.contexts.open(
          origin,
          (target, stop) => transferFiles(session, options, target, { entries, bytes }, progress, stop),
          signal,
        );
      },
    };
  }

  async #readIgnore(job: SolveJob, session: ClientSession, directory: string): Promise<string[]> {
    const name = '[internal] load .dockerignore';
    const vertex = new Vertex(job.status.report, `${name} ${session.offer.id} ${job.ref}`, name);
    return vertex.run(async () => {
      const files = await readFiles(vertex, 'transferring context:', session, directory, ['.dockerignore'], job.signal);
      return parseIgnoreFile(files.text('.dockerignore') ?? '');
    });
  }

  async #namedContexts(
    job: SolveJob,
    { namedContexts, sessionIds }: DockerfileOptions,
    inputs: Readonly<Record<string, Definition__Output>>,
    ingredients: PendingResult[],
    discards: (() => Promise<void>)[],
    signal: AbortSignal,
  ): Promise<Map<string, NamedContext>> {
    const contexts = new Map<string, NamedContext>();
    for (const [name, value] of namedContexts) {
      const { scheme = '', rest = '' } = /^(?<scheme>[\w-]+):(?<rest>.*)$/s.exec(value)?.groups ?? {};
      if (scheme === 'docker-image') contexts.set(name, { kind: 'image', reference: rest.replace(/^\/\//, '') });
      else if (scheme === 'input') contexts.set(name, await this.#input(rest, inputs, ingredients));
      else if (scheme === 'local') {
        const session = await this.#sessionOf(job, sessionIds, rest, signal);
        let ignored: Promise<string[]> | undefined;
        const excludes = (): Promise<string[]> => (ignored ??= this.#readIgnore(job, session, rest));
        contexts.set(name, { kind: 'tree', context: this.#clientContext(`context ${name}`, session, rest, excludes) });
      } else if (isGitUrl(value)) {
        const context = new RemoteContext(this.content, name, value);
        discards.push(() => context.discard());
        contexts.set(name, { kind: 'tree', context });
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

function requestOf(
  context: BuildContext,
  dockerfile: Dockerfile,
  session: ClientSession,
  options: DockerfileOptions,
  namedContexts: BuildRequest['namedContexts'],
  { cacheFrom, entitlements, inlineCache }: Extra,
): Omit<BuildRequest, 'exports' | 'signal'> {
  return {
    dockerfile,
    dockerfileName: options.filename,
    target: options.target,
    buildArgs: options.buildArgs,
    labels: options.labels,
    platform: options.platform,
    context,
    namedContexts,
    secrets: clientSecrets(session),
    agents: clientAgents(session),
    credentials: (registry, signal) => clientCredentials(session, registry, signal),
    noCache: options.noCache,
    pull: options.pull,
    cacheFrom: [...options.cacheFrom, ...cacheFrom],
    inlineCache,
    run: options.run,
    entitlements,
    squash: false,
  };
}

/** Mistakes are told before anything else is asked of the client. @throws LocatedFailure */
function parsed(source: ShownSource): Dockerfile {
  try {
    return parseDockerfile(source.text);
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
  const status = new TransferStatus(vertex, title);
  const files = await ClientFiles.read(session, { directory, followPaths, excludes: [] }, status.progress, signal);
  status.end();
  return files;
}
