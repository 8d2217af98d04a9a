import { randomBytes } from 'node:crypto';
import { pack } from 'tar-stream';
import { readAll } from '../../support/raw-http.js';
import type { Row } from '../row.js';
import { timed } from '../statistics.js';

const FILES = 2000;
const BYTES = 64 * 1024 * 1024;

let archive: Promise<Buffer> | undefined;

function buildArchive(): Promise<Buffer> {
  const stream = pack();
  const content = randomBytes(Math.floor(BYTES / FILES));
  for (let i = 0; i < FILES; i++) stream.entry({ name: `tree/${i % 40}/file-${i}` }, content);
  stream.finalize();
  return readAll(stream as unknown as AsyncIterable<Buffer>);
}

/** Into a container that has not been started, a fresh one each time. */
export const archiveRow: Row = {
  key: 'archive-put',
  title: 'PUT archive of 2 000 files, 64 MiB',
  unit: 'ms',
  statistics: ['p50', 'min', 'max'],
  maxRounds: 5,
  async block(engine) {
    const body = await (archive ??= buildArchive());
    const id = await engine.create({ Cmd: ['true'] });
    const elapsed = await timed(async () => {
      const { status } = await engine.client.send('PUT', `/containers/${id}/archive?path=/tmp`, body);
      if (status !== 200) throw new Error(`${engine.name}: PUT archive answered ${status}`);
    });
    await engine.client.json('DELETE', `/containers/${id}`);
    return [elapsed];
  },
};
