import { crc32 } from 'node:zlib';

/**
 * An xz file that stores its bytes as they are, for inputs of any size: no xz encoder is among our libraries.
 * @see "The .xz File Format" §2–4; LZMA2 chunks that are not compressed
 */
export function storedXz(bytes: Uint8Array): Buffer {
  const flags = Buffer.from([0, 1]);
  const header = Buffer.concat([Buffer.from('\xfd7zXZ\0', 'latin1'), flags, littleEndian(crc32(flags))]);
  const blockHeader = withCrc(Buffer.from([2, 0, 0x21, 1, 0x16, 0, 0, 0]));
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const chunk = Buffer.from(bytes.subarray(at, at + 65_536));
    const head = Buffer.from([at === 0 ? 1 : 2, 0, 0]);
    head.writeUInt16BE(chunk.length - 1, 1);
    chunks.push(head, chunk);
  }
  const data = Buffer.concat([...chunks, Buffer.from([0])]);
  const check = littleEndian(crc32(bytes));
  const unpadded = blockHeader.length + data.length + check.length;
  const index = withCrc(padded(Buffer.concat([Buffer.from([0, 1]), varint(unpadded), varint(bytes.length)])));
  const tail = Buffer.concat([littleEndian(index.length / 4 - 1), flags]);
  const footer = Buffer.concat([littleEndian(crc32(tail)), tail, Buffer.from('YZ')]);
  return Buffer.concat([header, blockHeader, padded(data), check, index, footer]);
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, littleEndian(crc32(bytes))]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
