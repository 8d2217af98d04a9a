import { writeFileSync } from 'node:fs';
import type { ContainerMount, HostConfig } from '../containers/container.js';
import type { Heredoc } from '../dockerfile/heredocs.js';
import type { InstructionOf } from '../dockerfile/instruction.js';
import type { BuildMount } from '../dockerfile/mount.js';
import { ShellWords, type Variables } from '../dockerfile/shell-words.js';
import { forbidden } from '../errors.js';
import { wordsOf, environmentOf } from '../images/instructions.js';
import { CommandFailed } from './build-error.js';
import type { BuildSession } from './build-session.js';
import type { BuildLayer, UpperDirectory } from './layers.js';
import { makeMountPointLayer } from './mount-point-layer.js';
import type { StageSources } from './plan.js';
import type { Vertex } from './progress.js';
import {
  describeMounts,
  makeMounts,
  openMountSources,
  privateMount,
  type MountSource,
  type RunMounts,
} from './run-mounts.js';
import type { StageState } from './stage-state.js';

type Run = InstructionOf<'RUN'>;

/** What a RUN executes. */
interface RunCommand {
  words: string[];
  /** A here-document that begins with `#!`: a file that is executed. */
  script?: Heredoc;
}

/** A RUN that is ready to be looked up or executed. */
export interface PreparedRun {
  /** What the cache knows it by. */
  what: object;
  /** For the history of the image. */
  createdBy: string;
  execute(vertex: Vertex, onContainer: (id: string) => void): Promise<BuildLayer | undefined>;
}

/** Puts the variables into a RUN and opens what it mounts. */
export async function prepareRun(
  session: BuildSession,
  sources: StageSources,
  state: StageState,
  run: Run,
): Promise<PreparedRun> {
  refuseWithoutEntitlement(session, run);
  const command = commandOf(state, run);
  const words = new ShellWords(session.escape, new Map([...state.arguments, ...environmentOf(state.config)]));
  const mounts = await openMountSources(
    session,
    sources,
    run.mounts.map((mount) => expandMount(mount, words)),
  );
  const environment = visibleEnvironment(state);
  const { User: user = '', WorkingDir: directory = '' } = state.config;
  const what = {
    run: command,
    environment,
    user,
    directory,
    mounts: await describeMounts(session, mounts),
    network: run.network,
    security: run.security,
    options: session.request.run,
  };
  const prefix = state.arguments.size > 0 ? `|${state.arguments.size} ${argumentList(state.arguments)} ` : '';
  return {
    what,
    createdBy: `RUN ${prefix}${command.words.join(' ')}`,
    execute: (vertex, onContainer) =>
      execute(session, state, run, { command, mounts, environment }, vertex, onContainer),
  };
}

const argumentList = (variables: Variables): string =>
  [...variables].map(([name, value]) => `${name}=${value}`).join(' ');

function refuseWithoutEntitlement({ request }: BuildSession, { network, security }: Run): void {
  const needed =
    network === 'host'
      ? ('network.host' as const)
      : security === 'insecure'
        ? ('security.insecure' as const)
        : undefined;
  if (needed && !request.entitlements.has(needed)) {
    throw forbidden(`granting entitlement ${needed} is not allowed: build with --allow ${needed}`);
  }
}

/** A shell gets here-documents as they are written; one alone is the whole script. */
function commandOf({ config }: StageState, { command, heredocs }: Run): RunCommand {
  if (command.form === 'exec' || heredocs.length === 0) return { words: wordsOf(config, command) };
  const [only] = heredocs;
  const isScript = heredocs.length === 1 && /^\d*<<-?\S+$/.test(command.line.trim());
  if (isScript && only!.content.startsWith('#!')) return { words: [scriptPath(only!)], script: only! };
  if (isScript) return { words: wordsOf(config, { form: 'shell', line: only!.content }) };
  const texts = heredocs.map(({ name, content }) => `${content}${name}\n`);
  return { words: wordsOf(config, { form: 'shell', line: `${command.line}\n${texts.join('')}` }) };
}

const scriptPath = ({ name }: Heredoc): string => `/dev/pipes/${name.replaceAll('/', '_')}`;

function expandMount(mount: BuildMount, words: ShellWords): BuildMount {
  const expanded = { ...mount };
  for (const field of ['target', 'source', 'id', 'mode', 'uid', 'gid', 'size', 'from'] as const) {
    if (mount[field].includes('$')) expanded[field] = words.expand(mount[field]);
  }
  return expanded;
}

/** ENV, and the ARGs that no ENV has overridden. */
function visibleEnvironment({ config, arguments: declared }: StageState): string[] {
  const environment = environmentOf(config);
  const additional = [...declared].filter(([name]) => !environment.has(name));
  return [...(config.Env ?? []), ...additional.map(([name, value]) => `${name}=${value}`)];
}

async function execute(
  session: BuildSession,
  state: StageState,
  run: Run,
  prepared: { command: RunCommand; mounts: readonly MountSource[]; environment: readonly string[] },
  vertex: Vertex,
  onContainer: (id: string) => void,
): Promise<BuildLayer | undefined> {
  const { layers, addon } = session;
  const { command } = prepared;
  const mounts = await makeMounts(session, prepared.mounts, state.config.WorkingDir || '/');
  const paths: UpperDirectory = { upper: layers.staging.newLayerPath(), work: '' };
  const mountPoints = layers.staging.newPath();
  try {
    if (command.script) addScript(session, mounts, command.script);
    makeMountPointLayer(
      mountPoints,
      session.mapping.root,
      mounts.targets.filter(({ path }) => !isInDev(path)),
    );
    const hidden = session.arguments.hidden.map(([name, value]) => `${name}=${value}`);
    const end = await session.containers.run(
      {
        lower: [...layers.directories(state.layers), mountPoints],
        config: {
          Hostname: 'buildkitsandbox',
          User: state.config.User ?? '',
          WorkingDir: state.config.WorkingDir ?? '',
          Env: [...hidden, ...prepared.environment, ...mounts.environment],
          Cmd: command.words,
          NetworkDisabled: false,
        },
        hostConfig: hostConfigOf(session, run),
        mounts: mounts.mounts,
        mountedLayers: mounts.layers,
        onStarted: onContainer,
        onOutput: (stream, data) => vertex.log(stream, data),
      },
      paths.upper,
      session.signal,
    );
    if (end.exitCode !== 0) throw new CommandFailed(command.words, end.exitCode, end.outOfMemory);
    return await layers.finish(paths);
  } finally {
    await mounts.release();
    await addon.removeTree(mountPoints);
  }
}

const isInDev = (path: string): boolean => path === '/dev' || path.startsWith('/dev/');

function addScript(session: BuildSession, mounts: RunMounts, script: Heredoc): void {
  const file = session.layers.staging.newPath();
  writeFileSync(file, script.content, { mode: 0o755 });
  const mount: ContainerMount = {
    ...privateMount,
    type: 'bind',
    source: file,
    destination: scriptPath(script),
    readWrite: false,
  };
  mounts.mounts.push(mount);
}

function hostConfigOf({ request }: BuildSession, { network, security }: Run): HostConfig {
  const { run } = request;
  return {
    NetworkMode: network === 'default' ? run.network : network,
    ExtraHosts: [...run.extraHosts],
    ShmSize: run.shmSize,
    Ulimits: run.ulimits.map((limit) => ({ ...limit })),
    CgroupParent: run.cgroupParent,
    Memory: run.memory,
    MemorySwap: run.memorySwap,
    CpuShares: run.cpuShares,
    CpuPeriod: run.cpuPeriod,
    CpuQuota: run.cpuQuota,
    CpusetCpus: run.cpusetCpus,
    CpusetMems: run.cpusetMems,
    SecurityOpt: [...run.securityOptions],
    Privileged: security === 'insecure',
  };
}
