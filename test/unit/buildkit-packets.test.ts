import { join } from 'node:path';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import {
  dataPacket,
  decodePacket,
  errorPacket,
  fileMode,
  finPacket,
  lastStatPacket,
  requestPacket,
  statPacket,
  type FileStat,
} from '../../daemon/build/buildkit/packets.js';
import { frame, FrameReader } from '../../daemon/build/buildkit/rpc-frames.js';
import { resultDefinition, resultIdOf } from '../../daemon/build/buildkit/result-definition.js';
import { dockerfileOptions } from '../../daemon/build/buildkit/dockerfile-options.js';

const definitions = loadSync('fsutil.proto', {
  includeDirs: [join(import.meta.dirname, '..', '..', '..', 'api-spec', 'buildkit')],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});
const general = definitions['fsutil.types.Packet'] as unknown as MessageTypeDefinition<object, Record<string, unknown>>;

const stat: FileStat = {
  path: 'ä/b c',
  mode: (fileMode.directory | fileMode.sticky | 0o755) >>> 0,
  uid: 1000,
  gid: 4_294_967_295,
  size: 2 ** 40 + 3,
  seconds: 1_795_595_842,
  nanoseconds: 110_259_601,
  link: 'x/../y',
  deviceMajor: 300,
  deviceMinor: 7,
};

describe('packets of a file transfer', () => {
  test('are what the protocol document says', () => {
    expect(general.deserialize(statPacket(stat))).toMatchObject({
      type: 'STAT',
      stat: {
        path: 'ä/b c',
        mode: stat.mode,
        uid: 1000,
        gid: 4_294_967_295,
        size: String(2 ** 40 + 3),
        modifiedAt: '1795595842110259601',
        linkName: 'x/../y',
        deviceMajor: '300',
        deviceMinor: '7',
      },
    });
    expect(general.deserialize(requestPacket(0))).toMatchObject({ type: 'REQUEST', id: 0 });
    expect(general.deserialize(requestPacket(70_000))).toMatchObject({ type: 'REQUEST', id: 70_000 });
    expect(general.deserialize(dataPacket(300, Buffer.from('abc')))).toMatchObject({ type: 'DATA', id: 300 });
    expect(general.deserialize(finPacket)).toMatchObject({ type: 'FIN' });
    expect(general.deserialize(errorPacket('no'))).toMatchObject({ type: 'ERROR', data: Buffer.from('no') });
  });

  test('are read as they were written', () => {
    expect(decodePacket(statPacket(stat)).stat).toEqual(stat);
    const before1970 = { ...stat, seconds: -2, nanoseconds: 999_999_999 };
    expect(decodePacket(statPacket(before1970)).stat).toEqual(before1970);
    expect(decodePacket(lastStatPacket)).toEqual({ type: 0, stat: undefined, id: 0, data: new Uint8Array() });
    const { id, data } = decodePacket(dataPacket(5, Buffer.from('abc')));
    expect([id, Buffer.from(data).toString()]).toEqual([5, 'abc']);
  });

  test('with extended attributes and fields of a later protocol are read', () => {
    const bytes = general.serialize({ stat: { path: 'a', xattrs: { 'user.x': Buffer.from('1') } } });
    expect(decodePacket(Buffer.concat([bytes, Buffer.from([0xfa, 0x01, 1, 7])])).stat?.path).toBe('a');
  });

  test.each([
    ['cut off', statPacket(stat).subarray(0, 9)],
    ['a number without an end', Buffer.from([8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ['a length beyond the packet', Buffer.from([0x22, 0xff, 0xff, 3])],
    ['a type that is none', Buffer.from([0x0f])],
  ])('that are malformed are refused: %s', (_what, bytes) => {
    expect(() => decodePacket(bytes)).toThrow('malformed packet');
  });
});

describe('messages on a stream', () => {
  const read = (chunks: Buffer[]): string[] => {
    const messages: string[] = [];
    const reader = new FrameReader((message) => messages.push(message.toString()));
    for (const chunk of chunks) reader.push(chunk);
    return messages;
  };
  const stream = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(0)), frame(Buffer.from('three'))]);

  test('are the same however they arrive', () => {
    expect(read([stream])).toEqual(['one', '', 'three']);
    expect(read(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(['one', '', 'three']);
  });

  test('that are too long, or compressed, are refused', () => {
    expect(() => read([Buffer.from([0, 0x7f, 0, 0, 0])])).toThrow('a message of 2130706432 bytes');
    expect(() => read([Buffer.from([1, 0, 0, 0, 0])])).toThrow('compressed');
  });
});

test('a result that is handed on as a build graph is found again', () => {
  expect(resultIdOf(resultDefinition('abc') as never)).toBe('abc');
  expect(resultIdOf(null)).toBeUndefined();
});

describe('options of the Dockerfile front end', () => {
  test('are read', () => {
    const options = dockerfileOptions({
      filename: 'D',
      target: 't',
      'build-arg:A': '1',
      'label:l': 'v',
      'no-cache': '',
      'add-hosts': 'a=1.2.3.4,b=::1',
      ulimit: 'nofile=10:20,core=0',
      'shm-size': '1024',
      'force-network-mode': 'none',
      'image-resolve-mode': 'pull',
      'cache-imports': '[{"Type":"registry","Attrs":{"ref":"r/x"}}]',
      'context:Base': 'docker-image://debian',
      'local-sessionid:context': 's2',
    });
    expect(options).toMatchObject({
      filename: 'D',
      target: 't',
      buildArgs: { A: '1' },
      labels: { l: 'v' },
      noCache: true,
      pull: true,
      cacheFrom: ['r/x'],
      namedContexts: new Map([['base', 'docker-image://debian']]),
      sessionIds: new Map([['context', 's2']]),
    });
    expect(options.run).toMatchObject({
      extraHosts: ['a:1.2.3.4', 'b:::1'],
      ulimits: [
        { Name: 'nofile', Soft: 10, Hard: 20 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      shmSize: 1024,
      network: 'none',
    });
    expect(dockerfileOptions({ 'no-cache': 'a,b' }).noCache).toEqual(new Set(['a', 'b']));
  });

  test.each([
    [{ hostname: 'x' }, 'the build option "hostname" is not supported'],
    [{ 'attest:sbom': '' }, 'the build option "attest:sbom" is not supported'],
    [{ platform: 'linux/amd64,linux/arm64' }, 'several platforms'],
    [{ ulimit: 'nofile=x' }, 'invalid ulimit: nofile=x'],
    [{ 'cache-imports': '[{"Type":"gha"}]' }, 'a cache of type "gha"'],
  ])('that are not supported are refused by name: %p', (attributes: Record<string, string>, message) => {
    expect(() => dockerfileOptions(attributes)).toThrow(message);
  });
});
