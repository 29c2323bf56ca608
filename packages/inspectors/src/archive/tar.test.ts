import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { archiveLimits } from './expand.js';
import { walkTar } from './tar.js';

const signal = new AbortController().signal;

/** A header block of a tar archive (POSIX ustar). */
function header(type: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write('././@LongHeader', 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

it.each([
  ['a PAX header', 'x'],
  ['a global PAX header', 'g'],
  ['a long name', 'L'],
  ['a long link', 'K'],
])('%s of a gigabyte is not kept in memory', async (_name, type) => {
  const size = 1 << 30;
  const chunk = Buffer.alloc(1 << 20, 'a');
  let sent = 0;
  let most = 0;
  async function* archive() {
    yield header(type, size);
    for (; sent < size; sent += chunk.length) {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
      yield chunk;
    }
  }
  const before = process.memoryUsage().arrayBuffers;
  await expect(walkTar(Readable.from(archive()), () => {}, { limits: archiveLimits, signal })).rejects.toThrow(
    /header/i,
  );
  expect(sent).toBeLessThan(16 << 20);
  expect(most - before).toBeLessThan(64 << 20);
});
