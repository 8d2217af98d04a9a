import { DetachKeys, parseDetachKeys } from '../../daemon/containers/detach-keys.js';

async function pass(keys: string | undefined, ...chunks: string[]): Promise<{ passed: string; detached: boolean }> {
  const stream = new DetachKeys(parseDetachKeys(keys));
  let detached = false;
  stream.on('detach', () => (detached = true));
  for (const chunk of chunks) stream.write(Buffer.from(chunk, 'latin1'));
  stream.end();
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return { passed: Buffer.concat(parts).toString('latin1'), detached };
}

describe('detach keys', () => {
  test('ctrl-p ctrl-q by default, and neither reaches the process', async () => {
    expect(await pass(undefined, 'ls\n\x10\x11')).toEqual({ passed: 'ls\n', detached: true });
  });

  test('the sequence may come in pieces', async () => {
    expect(await pass(undefined, 'a\x10', '\x11')).toEqual({ passed: 'a', detached: true });
  });

  test('half a sequence followed by something else is input', async () => {
    expect(await pass(undefined, '\x10', 'x')).toEqual({ passed: '\x10x', detached: false });
    expect(await pass(undefined, '\x10\x10\x11')).toEqual({ passed: '\x10', detached: true });
    expect(await pass(undefined, 'x\x10')).toEqual({ passed: 'x\x10', detached: false });
  });

  test('keys of the user', async () => {
    expect(await pass('ctrl-a,d', 'x\x01d')).toEqual({ passed: 'x', detached: true });
    expect(() => parseDetachKeys('ctrl-1')).toThrow("invalid detach keys: Unknown character: 'ctrl-1'");
  });
});
