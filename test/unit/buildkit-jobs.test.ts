import type { StatusResponse } from '../../daemon/generated/rpc/moby/buildkit/v1/StatusResponse.js';
import { SolveJob, SolveJobs } from '../../daemon/build/buildkit/solve-job.js';

const never = new AbortController().signal;
const job = (ref: string): SolveJob =>
  new SolveJob(ref, 'session', {}, { entitlements: new Set(), inlineCache: false }, never);

const report = (to: SolveJob, name: string): void =>
  to.status.report({ kind: 'vertex', digest: `sha256:${name}`, inputs: [], name, cached: false });

async function watched(jobs: SolveJobs, ref: string): Promise<(string | undefined)[]> {
  const responses: StatusResponse[] = [];
  const status = await jobs.status(ref, never);
  await status.watch(async (response) => void responses.push(response), never);
  return responses.flatMap(({ vertexes }) => vertexes ?? []).map(({ name }) => name);
}

test('how a build goes can be asked before it begins, and is told to its end', async () => {
  const jobs = new SolveJobs();
  const told = watched(jobs, 'ref');
  const built = job('ref');
  jobs.add(built);
  report(built, 'one');
  await new Promise(setImmediate);
  report(built, 'two');
  await jobs.remove(built);
  expect(await told).toEqual(['one', 'two']);
});

test('it is told of a build that was over before it was asked for, for a while', async () => {
  const jobs = new SolveJobs(50);
  const built = job('ref');
  jobs.add(built);
  report(built, 'one');
  await jobs.remove(built);
  expect(await watched(jobs, 'ref')).toEqual(['one']);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await expect(jobs.status('ref', never)).rejects.toThrow('no such job ref');
});

test('a second build of the same name is not forgotten with the first', async () => {
  const jobs = new SolveJobs(30);
  const first = job('ref');
  jobs.add(first);
  await jobs.remove(first);
  const second = job('ref');
  jobs.add(second);
  report(second, 'second');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const told = watched(jobs, 'ref');
  await jobs.remove(second);
  expect(await told).toEqual(['second']);
});
