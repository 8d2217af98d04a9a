import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { pack } from 'tar-stream';
import { readAll } from '../support/raw-http.js';
import type { BenchEngine } from './engine.js';

export const IPERF_IMAGE = 'gantry-bench-iperf3:latest';

const PROGRAM = '/usr/bin/iperf3';

/** Debian's iperf3 of this machine and the libraries it takes, as the only files of an image. */
export async function importIperf(engine: BenchEngine): Promise<void> {
  const archive = pack();
  for (const path of [PROGRAM, ...librariesOf(PROGRAM)]) {
    archive.entry({ name: path.slice(1), mode: 0o755 }, readFileSync(realpathSync(path)));
  }
  // Where its temporary files go.
  archive.entry({ name: 'tmp/', type: 'directory', mode: 0o1777 });
  archive.finalize();
  const [repository, tag] = IPERF_IMAGE.split(':');
  const query = `fromSrc=-&repo=${repository}&tag=${tag}`;
  const content = await readAll(archive as unknown as AsyncIterable<Buffer>);
  const answer = await engine.client.send('POST', `/images/create?${query}`, content);
  if (answer.status !== 200) throw new Error(`${engine.name}: image import: ${answer.body.toString()}`);
}

export function hasIperf(): boolean {
  try {
    execFileSync(PROGRAM, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The shared libraries of a program, and what loads them, by the paths that they are looked for at. */
function librariesOf(program: string): string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path!);
}
