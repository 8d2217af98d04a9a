import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { OtherHost } from '../../support/other-host.js';
import { demultiplex } from '../../support/raw-http.js';
import { BenchNetwork } from '../bench-network.js';
import type { BenchEngine } from '../engine.js';
import { hasIperf, importIperf, IPERF_IMAGE } from '../iperf-image.js';
import { PerEngine, type Row } from '../row.js';

const SECONDS = 3;
const PORT = 5201;
const run = promisify(execFile);

/** A server on a network of its own, with a published port, and who asks it. */
interface Scene {
  network: BenchNetwork;
  server: string;
  otherHost: OtherHost;
  hostPort: string;
}

const scenes = new PerEngine<Scene>();

async function setUp(engine: BenchEngine): Promise<void> {
  await importIperf(engine);
  const network = await BenchNetwork.make(engine, 'gantry-bench-iperf3');
  const server = await start(engine, network, ['iperf3', '--server'], {
    PortBindings: { [`${PORT}/tcp`]: [{ HostPort: '' }] },
  });
  const { NetworkSettings } = await engine.client.json<{
    NetworkSettings: { Ports: Record<string, { HostPort: string }[]> };
  }>('GET', `/containers/${server}/json`);
  const hostPort = NetworkSettings.Ports[`${PORT}/tcp`]![0]!.HostPort;
  scenes.set(engine, { network, server, hostPort, otherHost: new OtherHost() });
}

async function start(engine: BenchEngine, network: BenchNetwork, Cmd: string[], hostConfig: object): Promise<string> {
  const id = await engine.create({
    Cmd,
    Image: IPERF_IMAGE,
    ExposedPorts: { [`${PORT}/tcp`]: {} },
    HostConfig: { NetworkMode: network.name, ...hostConfig },
  });
  await engine.start(id);
  return id;
}

async function tearDown(engine: BenchEngine): Promise<void> {
  const { otherHost, network } = scenes.get(engine);
  otherHost.remove();
  await network.remove();
}

const question = (address: string, port: string): string[] => [
  'iperf3',
  ...['--client', address, '--port', port, '--time', String(SECONDS), '--omit', '1', '--json'],
];

/** What arrived, in Gbit/s. */
function rateIn(report: string): number {
  const { end, error } = JSON.parse(report) as { end: { sum_received: { bits_per_second: number } }; error?: string };
  if (error) throw new Error(`iperf3: ${error}`);
  return end.sum_received.bits_per_second / 1e9;
}

/** From a second container to the first. */
async function betweenContainers(engine: BenchEngine): Promise<number> {
  const { server, network } = scenes.get(engine);
  const { NetworkSettings } = await engine.client.json<{
    NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
  }>('GET', `/containers/${server}/json`);
  const { IPAddress } = NetworkSettings.Networks[network.name]!;
  const client = await start(engine, network, question(IPAddress, String(PORT)), {});
  await engine.waitForSuccess(client);
  const { body } = await engine.client.send('GET', `/containers/${client}/logs?stdout=1`);
  await engine.remove(client);
  const report = demultiplex(body).stdout.toString();
  return rateIn(report);
}

/** From another host to the published port. */
async function throughPort(engine: BenchEngine): Promise<number> {
  const { otherHost, hostPort } = scenes.get(engine);
  const { stdout } = await run('nsenter', [`--net=${otherHost.namespace}`, ...question(otherHost.ours, hostPort)]);
  return rateIn(stdout);
}

function throughputRow(key: string, title: string, measure: (engine: BenchEngine) => Promise<number>): Row {
  return {
    key,
    title,
    unit: 'Gbit/s',
    statistics: ['p50'],
    maxRounds: 5,
    unavailable: () => (hasIperf() ? undefined : 'there is no iperf3 on this machine'),
    setUp,
    async block(engine) {
      return [await measure(engine)];
    },
    tearDown,
  };
}

export const throughputRows: Row[] = [
  throughputRow('iperf-containers', 'one TCP stream between two containers', betweenContainers),
  throughputRow('iperf-published', 'one TCP stream from another host through a published port', throughPort),
];
