// Asks the DNS server of the network namespace it runs in for a name, one question after the other, and prints how long
// each answer took, in milliseconds.
//   dns-client NAME COUNT
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const SERVER = '127.0.0.11';
const PATIENCE_MS = 5_000;
const ID_SIZE = 2;
const RCODE_AND_COUNTS = 4;

/** A question for the IPv4 addresses of a name. */
function question(id: number, name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

function check(answer: Buffer, id: number): void {
  if (answer.readUInt16BE(0) !== id) throw new Error('an answer to another question');
  const failed = (answer.readUInt16BE(ID_SIZE) & 15) !== 0;
  if (failed || answer.readUInt16BE(ID_SIZE + RCODE_AND_COUNTS) === 0) throw new Error('there is no such name');
}

async function ask(name: string, count: number): Promise<number[]> {
  const socket = createSocket('udp4');
  socket.connect(53, SERVER);
  await once(socket, 'connect');
  const times: number[] = [];
  for (let id = 0; id < count; id++) {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
    const start = process.hrtime.bigint();
    socket.send(question(id, name));
    const [message] = (await answer) as [Buffer];
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
    check(message, id);
  }
  socket.close();
  return times;
}

const [, , name = '', count] = process.argv;
process.stdout.write(JSON.stringify(await ask(name, Number(count))));
