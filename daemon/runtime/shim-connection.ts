import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { ShimError, type ErrorAnswer } from './shim-error.js';
import { encodeMessage, MessageReader } from './shim-framing.js';

/** The longest path that a unix socket address takes, with its terminator. */
const MAX_SOCKET_PATH = 107;

/** Connects to the shim of a bundle. @throws Error (ENOENT, ECONNREFUSED) when there is none */
export function connectToShim(bundle: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const path = join(bundle, 'shim.sock');
    const short = Buffer.byteLength(path) <= MAX_SOCKET_PATH;
    // A long path is entered by way of a descriptor of its directory.
    const directory = short ? undefined : openSync(bundle, 'r');
    const done = (): void => {
      if (directory !== undefined) closeSync(directory);
    };
    const socket = connect({ path: short ? path : `/proc/self/fd/${directory}/shim.sock`, allowHalfOpen: true });
    socket.once('connect', () => {
      done();
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', done);
    socket.once('error', reject);
  });
}

interface StreamAnswer<Result> {
  ok?: Result;
  error?: ErrorAnswer;
}

/** Opens an attach or exec connection: the stream begins after the answer. @throws ShimError */
export async function openStream<Result>(bundle: string, request: object): Promise<{ answer: Result; stream: Duplex }> {
  const socket = await connectToShim(bundle);
  socket.write(encodeMessage(request));
  try {
    const { ok, error } = await readAnswer<StreamAnswer<Result>>(socket);
    if (error) throw new ShimError(error);
    return { answer: ok as Result, stream: socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Reads exactly one message and leaves what follows in the stream. */
function readAnswer<Answer>(socket: Socket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      socket.off('data', receive).off('error', fail).off('end', ended).off('close', ended);
    };
    const fail = (error: unknown): void => {
      finish();
      reject(error);
    };
    const ended = (): void => fail(connectionLost());
    const reader = new MessageReader((answer) => {
      finish();
      socket.pause();
      const rest = reader.detach();
      if (rest.length > 0) socket.unshift(rest);
      resolve(answer as Answer);
    });
    const receive = (chunk: Buffer): void => {
      try {
        reader.push(chunk);
      } catch (error) {
        fail(error);
      }
    };
    socket.on('data', receive).once('error', fail).once('end', ended).once('close', ended);
  });
}

/** The shim has ended, or was killed, before it answered. */
export function connectionLost(): Error {
  return Object.assign(new Error('the shim ended before it answered'), { code: 'ECONNRESET' });
}
