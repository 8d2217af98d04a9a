import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { openOutput } from '../../daemon/build/buildkit/client-services.js';
import { fileSendService } from '../../daemon/build/buildkit/protocol.js';
import { BuildKitClient } from '../support/buildkit-client.js';

interface Bytes {
  data: Buffer;
}

/** A client that takes what is sent, and has it when `keep` is called. */
class ReceivingClient {
  readonly received: Buffer[] = [];
  readonly client = new BuildKitClient([]);
  readonly everything: Promise<ServerDuplexStream<Bytes, Bytes>>;

  constructor() {
    this.everything = new Promise((resolve) => {
      this.client.add(fileSendService, {
        DiffCopy: (call: ServerDuplexStream<Bytes, Bytes>) => {
          call.on('data', ({ data }: Bytes) => this.received.push(data));
          call.on('end', () => resolve(call));
          call.on('error', () => undefined);
        },
      });
    });
  }

  output(): Writable {
    return openOutput(this.client.session().rpc, fileSendService.DiffCopy, {});
  }
}

let client: ReceivingClient;
beforeEach(() => {
  client = new ReceivingClient();
});
afterEach(() => client.client.close());

test('an output is finished when the client has it, not when it has been sent', async () => {
  const output = client.output();
  let isFinished = false;
  output.on('finish', () => (isFinished = true));
  output.end(Buffer.alloc(100_000, 'x'));
  const call = await client.everything;
  expect(Buffer.concat(client.received)).toHaveLength(100_000);
  await new Promise(setImmediate);
  expect(isFinished).toBe(false);
  call.end();
  await once(output, 'finish');
});

test('a client that goes before it has an output fails it, and nothing else', async () => {
  const output = client.output();
  output.end('text');
  await client.everything;
  client.client.close();
  await expect(finished(output, { readable: false })).rejects.toThrow('FileSend/DiffCopy');
});

test('a client that goes while nobody waits is no error of the daemon', async () => {
  const output = client.output();
  output.write('text');
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.client.close();
  await new Promise((resolve) => output.on('close', resolve));
  expect(output.errored).toBeInstanceOf(Error);
});
