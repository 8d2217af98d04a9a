/** The blocks that a tar archive of plainly named files is made of, for `docker save`. */

const blockSize = 512;
/** What eleven octal digits can say. */
const maxOctalSize = 8 * 1024 ** 3;

/** Every header alike but for name and size, so that equal content makes equal archives: owner 0, time 0. */
export function tarHeader(name: string, size: number, type: 'file' | 'directory' = 'file'): Buffer {
  if (Buffer.byteLength(name) > 100) throw new RangeError(`a name in an archive is too long: ${name}`);
  const header = Buffer.alloc(blockSize);
  header.write(name, 0);
  header.write(type === 'file' ? '0000644\0' : '0000755\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  writeSize(header, size);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type === 'file' ? '0' : '5', 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write('0000000\x000000000\0', 329, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** What follows `size` bytes of content up to a whole block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

export const tarEnd: Buffer = Buffer.alloc(2 * blockSize);

/** Octal, or for large files GNU's base 256, which every reader of today knows. */
function writeSize(header: Buffer, size: number): void {
  if (size < maxOctalSize) {
    header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
    return;
  }
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
}
