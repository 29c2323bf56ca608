import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSquashfsFile } from '../src/squashfs/read-file.js';
import { fakeArtifact } from './fakes.js';

let directory: string;
const long = 'name: sample\n'.repeat(40_000);
const random = Array.from({ length: 9000 }, (_, n) => `${n}: ${((n * 7919) % 10_007).toString(36)}`).join('\n');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-squashfs-test-'));
  await mkdir(join(directory, 'root/meta'), { recursive: true });
  await writeFile(join(directory, 'root/meta/snap.yaml'), long);
  await writeFile(join(directory, 'root/meta/random'), random);
  await writeFile(join(directory, 'root/meta/empty'), '');
  // More names than one metadata block has room for.
  for (let n = 0; n < 600; n += 1)
    await writeFile(join(directory, `root/meta/file-${n}-with-a-long-name`), `hello ${n}`);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('squashfs as mksquashfs makes it', () => {
  it.each(
    ['gzip', 'xz', 'lzo', 'zstd'].flatMap(
      (compressor) =>
        [
          [compressor, []],
          [compressor, ['-no-fragments']],
          [compressor, ['-noI', '-noD', '-noF', '-b', '4096']],
        ] as const,
    ),
  )('%s %j', async (compressor, more) => {
    const file = join(directory, `${compressor}${more.length}.squashfs`);
    await promisify(execFile)('mksquashfs', [
      join(directory, 'root'),
      file,
      '-comp',
      compressor,
      '-quiet',
      '-no-progress',
      ...more,
    ]);
    const image = fakeArtifact('https://registry.example/x.snap', { body: await readFile(file) });
    const read = async (path: string) =>
      (await readSquashfsFile(image, path, { maxBytes: 1 << 20, signal: new AbortController().signal }))?.toString();
    expect(await read('meta/snap.yaml')).toBe(long);
    expect(await read('meta/random')).toBe(random);
    expect([await read('meta/empty'), await read('meta/file-599-with-a-long-name'), await read('meta/none')]).toEqual([
      '',
      'hello 599',
      undefined,
    ]);
  });
});
