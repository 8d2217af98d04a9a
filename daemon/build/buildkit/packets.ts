import { code, RpcError } from './rpc-error.js';

/** What the packets of a file transfer are; their numbers are those of api-spec/buildkit/fsutil.proto. */
export const packetType = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const;

/** Go's os.FileMode: the permissions and these. */
export const fileMode = {
  directory: 0x8000_0000,
  symbolicLink: 0x0800_0000,
  device: 0x0400_0000,
  namedPipe: 0x0200_0000,
  socket: 0x0100_0000,
  setuid: 0x0080_0000,
  setgid: 0x0040_0000,
  characterDevice: 0x0020_0000,
  sticky: 0x0010_0000,
  irregular: 0x0008_0000,
} as const;

/** What is known of a file before its content. */
export interface FileStat {
  path: string;
  /** Go's bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Since the epoch. One number does not hold both. */
  seconds: number;
  nanoseconds: number;
  /** Where a symbolic link leads, or the path of the file that this is a hard link to. */
  link: string;
  deviceMajor: number;
  deviceMinor: number;
}

export interface Packet {
  type: number;
  /** Absent in the last packet of type stat. */
  stat: FileStat | undefined;
  id: number;
  data: Uint8Array;
}

const nothing = new Uint8Array();

/**
 * Decodes a packet. The transfer of a context is one of these for every file, so this does not go through a general decoder.
 * @throws RpcError
 */
export function decodePacket(bytes: Buffer): Packet {
  const packet: Packet = { type: 0, stat: undefined, id: 0, data: nothing };
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        packet.type = reader.number();
        break;
      case 2:
        packet.stat = decodeStat(reader.bytes());
        break;
      case 3:
        packet.id = reader.number();
        break;
      case 4:
        packet.data = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return packet;
}

const nanosecondsPerSecond = 1_000_000_000n;

function decodeStat(bytes: Buffer): FileStat {
  const stat: FileStat = {
    path: '',
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    seconds: 0,
    nanoseconds: 0,
    link: '',
    deviceMajor: 0,
    deviceMinor: 0,
  };
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        stat.path = reader.text();
        break;
      case 2:
        stat.mode = reader.number();
        break;
      case 3:
        stat.uid = reader.number();
        break;
      case 4:
        stat.gid = reader.number();
        break;
      case 5:
        stat.size = reader.number();
        break;
      case 6:
        setTime(stat, reader.signed());
        break;
      case 7:
        stat.link = reader.text();
        break;
      case 8:
        stat.deviceMajor = reader.number();
        break;
      case 9:
        stat.deviceMinor = reader.number();
        break;
      default:
        reader.skip();
    }
  }
  return stat;
}

function setTime(stat: FileStat, time: bigint): void {
  const rest = time % nanosecondsPerSecond;
  const nanoseconds = rest < 0n ? rest + nanosecondsPerSecond : rest;
  stat.seconds = Number((time - nanoseconds) / nanosecondsPerSecond);
  stat.nanoseconds = Number(nanoseconds);
}

const malformed = (): RpcError => new RpcError(code.internal, 'the client sent a malformed packet');

/** Reads the fields of a message one by one. */
class FieldReader {
  field = 0;
  #wireType = 0;
  #offset = 0;

  constructor(readonly buffer: Buffer) {}

  next(): boolean {
    if (this.#offset >= this.buffer.length) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    return true;
  }

  number(): number {
    if (this.#wireType !== 0) throw malformed();
    return this.#varint();
  }

  signed(): bigint {
    if (this.#wireType !== 0) throw malformed();
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.#offset++];
      if (byte === undefined) throw malformed();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw malformed();
  }

  bytes(): Buffer {
    if (this.#wireType !== 2) throw malformed();
    const length = this.#varint();
    const end = this.#offset + length;
    if (end > this.buffer.length) throw malformed();
    const bytes = this.buffer.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 2) this.bytes();
    else if (this.#wireType === 1) this.#offset += 8;
    else if (this.#wireType === 5) this.#offset += 4;
    else throw malformed();
  }

  /** Exact up to 2^53. */
  #varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 64; scale *= 128) {
      const byte = this.buffer[this.#offset++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }
}

/** Asks for the content of a file. */
export function requestPacket(id: number): Buffer {
  return id === 0 ? Buffer.from([8, packetType.request]) : Buffer.from([8, packetType.request, 0x18, ...varint(id)]);
}

export const finPacket: Buffer = Buffer.from([8, packetType.fin]);

/** Ends the packets of type stat. */
export const lastStatPacket: Buffer = Buffer.alloc(0);

/** A piece of the content of a file; an empty one ends it. */
export function dataPacket(id: number, data: Uint8Array): Buffer {
  const head = [8, packetType.data, ...(id === 0 ? [] : [0x18, ...varint(id)])];
  if (data.length === 0) return Buffer.from(head);
  return Buffer.concat([Buffer.from([...head, 0x22, ...varint(data.length)]), data]);
}

export function errorPacket(message: string): Buffer {
  const data = Buffer.from(message);
  return Buffer.concat([Buffer.from([8, packetType.error, 0x22, ...varint(data.length)]), data]);
}

export function statPacket(stat: FileStat): Buffer {
  const time = BigInt(stat.seconds) * nanosecondsPerSecond + BigInt(stat.nanoseconds);
  const body = Buffer.concat([
    textField(1, stat.path),
    numberField(2, stat.mode),
    numberField(3, stat.uid),
    numberField(4, stat.gid),
    numberField(5, stat.size),
    Buffer.from([6 * 8, ...bigVarint(BigInt.asUintN(64, time))]),
    textField(7, stat.link),
    numberField(8, stat.deviceMajor),
    numberField(9, stat.deviceMinor),
  ]);
  return Buffer.concat([Buffer.from([0x12, ...varint(body.length)]), body]);
}

function textField(field: number, text: string): Buffer {
  if (text === '') return Buffer.alloc(0);
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([field * 8 + 2, ...varint(bytes.length)]), bytes]);
}

function numberField(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.from([field * 8, ...varint(value)]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return bytes;
}

function bigVarint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) + 128);
  bytes.push(Number(rest));
  return bytes;
}
