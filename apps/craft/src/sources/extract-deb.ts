import { open } from 'node:fs/promises';
import { CraftError } from '../errors.js';
import { type FileRange, openRange } from './archive-file.js';
import { decompressorOf } from './decompress.js';
import { limitsFor } from './extract-limits.js';
import { extractTar } from './extract-tar.js';

/**
 * Unpacks the files of a Debian package. Absolute links become relative ones, since the tree is not the root of a system.
 * Maintainer scripts are not run.
 * @see deb(5)
 * @throws CraftError CRAFT_SOURCE_BROKEN, CRAFT_SOURCE_UNSAFE, CRAFT_SOURCE_TOO_LARGE
 */
export async function extractDeb(path: string, to: string, archive: string): Promise<void> {
  const data = await findData(path, archive);
  const program = decompressorOf(data.head);
  await extractTar(openRange(path, data, program), {
    to,
    archive,
    limits: limitsFor(data.end - data.start),
    absoluteLinks: 'rebase',
  });
}

async function findData(path: string, archive: string): Promise<FileRange & { head: Buffer }> {
  const broken = (message: string) =>
    new CraftError('CRAFT_SOURCE_BROKEN', `${archive} is not a Debian package: ${message}`);
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const read = async (start: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    };
    if ((await read(0, 8)).toString('latin1') !== '!<arch>\n') throw broken('it does not begin as an ar archive');
    let offset = 8;
    for (let member = 0; offset + 60 <= size; member++) {
      const header = (await read(offset, 60)).toString('latin1');
      const name = header.slice(0, 16).trimEnd().replace(/\/$/, '');
      const length = /^\d+ *$/.test(header.slice(48, 58)) ? Number(header.slice(48, 58)) : Number.NaN;
      if (header.slice(58) !== '`\n' || !(length <= size - offset - 60))
        throw broken(`its member ${member + 1} is cut off or damaged`);
      if (member === 0 && name !== 'debian-binary') throw broken(`its first member is ${JSON.stringify(name)}`);
      const start = offset + 60;
      if (/^data\.tar(\.[a-z0-9]+)?$/.test(name))
        return { start, end: start + length, head: await read(start, Math.min(16, length)) };
      if (member > 16) break;
      offset = start + length + (length % 2);
    }
    throw broken('it has no data.tar');
  } finally {
    await file.close();
  }
}
