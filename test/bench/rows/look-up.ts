import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BenchNetwork } from '../bench-network.js';
import type { BenchEngine } from '../engine.js';
import { PerEngine, type Row } from '../row.js';

const LOAD_PROGRAM = '/usr/bin/dnsperf';
const CLIENT = fileURLToPath(new URL('../dns-client.js', import.meta.url));
/** Of every container on the network. */
const ALIAS = 'name';
const SECONDS = 2;
/** Questions that wait for their answers at the same time. */
const OUTSTANDING = 16;
const QUESTIONS = 2_000;
const run = promisify(execFile);

/** A container that asks for names of its network. */
interface Scene {
  network: BenchNetwork;
  namespace: string;
  directory: string;
}

const scenes = new PerEngine<Scene>();

async function setUp(engine: BenchEngine): Promise<void> {
  const network = await BenchNetwork.make(engine, 'gantry-bench-names');
  const id = await engine.create({
    Cmd: ['sleep', '3600'],
    HostConfig: { NetworkMode: network.name },
    NetworkingConfig: { EndpointsConfig: { [network.name]: { Aliases: [ALIAS] } } },
  });
  await engine.start(id);
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  writeFileSync(join(directory, 'questions'), `${ALIAS} A\n`);
  scenes.set(engine, { network, directory, namespace: `/proc/${await engine.containerPid(id)}/ns/net` });
}

async function tearDown(engine: BenchEngine): Promise<void> {
  const { network, directory } = scenes.get(engine);
  rmSync(directory, { recursive: true });
  await network.remove();
}

/** Runs a program of the host in the container's network. */
async function inside(engine: BenchEngine, ...command: string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${scenes.get(engine).namespace}`, ...command]);
  return stdout;
}

/** Answers a second, in thousands; all of them must be right. */
async function rate(engine: BenchEngine): Promise<number> {
  const questions = join(scenes.get(engine).directory, 'questions');
  const load = ['-s', '127.0.0.11', '-d', questions, '-l', String(SECONDS), '-q', String(OUTSTANDING)];
  const report = await inside(engine, LOAD_PROGRAM, ...load);
  const [, perSecond] = /Queries per second: +([\d.]+)/.exec(report) ?? [];
  if (perSecond === undefined || !/Response codes: +NOERROR \d+ \(100\.00%\)/.test(report)) {
    throw new Error(`${engine.name}: dnsperf: ${report}`);
  }
  return Number(perSecond) / 1000;
}

function hasLoadProgram(): boolean {
  try {
    execFileSync(LOAD_PROGRAM, ['-h'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Names of a network, asked for by a container on it. */
export const lookUpRows: Row[] = [
  {
    key: 'dns-rate',
    title: `DNS look-ups, ${OUTSTANDING} at once`,
    unit: 'thousand/s',
    statistics: ['p50'],
    maxRounds: 5,
    unavailable: () => (hasLoadProgram() ? undefined : 'there is no dnsperf on this machine'),
    setUp,
    async block(engine) {
      return [await rate(engine)];
    },
    tearDown,
  },
  {
    key: 'dns-latency',
    title: 'DNS look-up, one after the other',
    unit: 'ms',
    statistics: ['p50', 'p99'],
    maxRounds: 5,
    setUp,
    async block(engine) {
      const answer = await inside(engine, process.execPath, CLIENT, ALIAS, String(QUESTIONS));
      return JSON.parse(answer) as number[];
    },
    tearDown,
  },
];
