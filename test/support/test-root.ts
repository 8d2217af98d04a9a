import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

/** Makes an image, `NAME:latest`, of a file system of the distribution's own packages: see scripts/make-test-root. */
export async function importTestRoot(name: 'stack' | 'tools', socketPath: string): Promise<void> {
  const script = join(import.meta.dirname, '../../../scripts/make-test-root');
  const archive = execFileSync(script, [name], { encoding: 'utf8' }).trim();
  const path = `/images/create?fromSrc=-&repo=${name}&tag=latest`;
  await new Promise<void>((resolve, reject) => {
    const call = request({ socketPath, method: 'POST', path }, (answer) => {
      answer.resume();
      answer.on('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`import: ${answer.statusCode}`)),
      );
    });
    call.on('error', reject);
    createReadStream(archive).pipe(call);
  });
}
