import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { Demultiplexer } from '../../daemon/containers/demultiplexer.js';

function frame(stream: 1 | 2, payload: string): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(Buffer.byteLength(payload), 4);
  return Buffer.concat([header, Buffer.from(payload)]);
}

const frames = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, ''), frame(1, 'x'.repeat(1000))]);

test.each([1, 3, 8, 11, 100, 5000])('passes the payload of frames that come in pieces of %d bytes', async (size) => {
  const pieces = Array.from({ length: Math.ceil(frames.length / size) }, (_, index) =>
    frames.subarray(index * size, (index + 1) * size),
  );
  expect(await text(Readable.from(pieces).pipe(new Demultiplexer()))).toBe(`outerr${'x'.repeat(1000)}`);
});
