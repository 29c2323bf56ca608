import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Derivation } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDerivedFiles } from './derived-files.js';
import { createDerivedValues } from './derived-values.js';
import { jsonDerivation } from './json-derivation.js';

const text: Derivation<string> = { id: 'test.text/1', weigh: (value) => value.length };
const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-derived-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const never = () => Promise.reject(new Error('made again'));

describe('derived values in memory', () => {
  it('are made once per derivation and digest', async () => {
    const values = createDerivedValues({ maxBytes: 10_000 });
    expect(await values.get(text, a, async () => 'one')).toBe('one');
    expect(await values.get(text, a, never)).toBe('one');
    expect(await values.get({ ...text, id: 'test.text/2' }, a, async () => 'two')).toBe('two');
    expect(await values.get(text, b, async () => 'three')).toBe('three');
    expect([await values.find(text, a), await values.find(text, 'c'.repeat(64))]).toEqual(['one', undefined]);
    expect(values.stats()).toMatchObject({ entries: 3, made: 3 });
  });

  it('are made once for all who ask at the same time', async () => {
    const values = createDerivedValues({ maxBytes: 10_000 });
    let made = 0;
    const make = async () => {
      made += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return 'one';
    };
    expect(await Promise.all(Array.from({ length: 5 }, () => values.get(text, a, make)))).toEqual(Array(5).fill('one'));
    expect(made).toBe(1);
  });

  it('a failure is told to its own caller only, and not kept', async () => {
    const values = createDerivedValues({ maxBytes: 10_000 });
    let made = 0;
    const failing = values.get(text, a, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      throw new Error('broken off');
    });
    const others = Array.from({ length: 3 }, () =>
      values.get(text, a, async () => {
        made += 1;
        return 'one';
      }),
    );
    await expect(failing).rejects.toThrow('broken off');
    expect(await Promise.all(others)).toEqual(['one', 'one', 'one']);
    expect(made).toBe(1);
  });

  it('are bounded: the ones not used for longest go, one that is too large is not kept', async () => {
    const values = createDerivedValues({ maxBytes: 1_000 });
    const put = (digest: string, length: number) => values.put(text, digest, 'x'.repeat(length));
    put(a, 300);
    put(b, 300);
    await values.get(text, a, never);
    put('c'.repeat(64), 300);
    expect(await values.find(text, b)).toBeUndefined();
    expect(await values.find(text, a)).toHaveLength(300);
    put('d'.repeat(64), 2_000);
    expect(await values.find(text, 'd'.repeat(64))).toBeUndefined();
    expect(values.stats().bytes).toBeLessThanOrEqual(1_000);
  });
});

describe('derived values on disk', () => {
  const json = jsonDerivation<{ readonly n: number }>('test.json/1');
  const open = (maxBytes = 2 ** 20) =>
    createDerivedValues({ maxBytes: 10_000, files: createDerivedFiles({ dir: join(dir, 'derived'), maxBytes }) });
  const fill = async () => {
    const values = open();
    await values.get(json, a, async () => ({ n: 1 }));
    await values.close();
    const [name = ''] = await readdir(join(dir, 'derived'));
    return join(dir, 'derived', name);
  };

  it('outlive the process', async () => {
    const file = await fill();
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect(await open().get(json, a, never)).toEqual({ n: 1 });
    expect(await open().find(json, a)).toEqual({ n: 1 });
    await expect(open().get(json, b, never)).rejects.toThrow('made again');
    await expect(open().get({ ...json, id: 'test.json/2' }, a, never)).rejects.toThrow('made again');
  });

  it.each<[string, (file: string) => Promise<void>]>([
    ['cut short', async (file) => writeFile(file, (await readFile(file)).subarray(0, -1))],
    ['longer', async (file) => writeFile(file, Buffer.concat([await readFile(file), Buffer.from(' ')]))],
    ['empty', (file) => writeFile(file, '')],
    ['shorter than its checksum', (file) => writeFile(file, 'x')],
    [
      'changed',
      async (file) => {
        const bytes = await readFile(file);
        bytes[bytes.length - 2] = 0x39;
        await writeFile(file, bytes);
      },
    ],
    ['gone', (file) => rm(file)],
  ])('a file that is %s is made again', async (_name, damage) => {
    await damage(await fill());
    const values = open();
    expect(await values.get(json, a, async () => ({ n: 2 }))).toEqual({ n: 2 });
    await values.close();
    expect(await open().get(json, a, never)).toEqual({ n: 2 });
  });

  it('a file under another value’s name is none', async () => {
    const values = open();
    await values.get(json, a, async () => ({ n: 1 }));
    await values.get(json, b, async () => ({ n: 2 }));
    await values.close();
    const [one = '', two = ''] = (await readdir(join(dir, 'derived'))).map((name) => join(dir, 'derived', name));
    const [first, second] = [await readFile(one), await readFile(two)];
    await writeFile(one, second);
    await writeFile(two, first);
    await expect(open().get(json, a, never)).rejects.toThrow('made again');
    await expect(open().get(json, b, never)).rejects.toThrow('made again');
  });

  it('what does not unpack any more is made again', async () => {
    await fill();
    const stricter = {
      ...json,
      unpack: () => {
        throw new Error('other form');
      },
    };
    expect(await open().get(stricter, a, async () => ({ n: 3 }))).toEqual({ n: 3 });
  });

  it('take no more room than allowed', async () => {
    const big: Derivation<Buffer> = { id: 'big/1', weigh: () => 1, pack: (value) => value, unpack: Buffer.from };
    const values = open(40_000);
    for (let i = 0; i < 12; i += 1) {
      await values.get(big, `${i}`, async () => Buffer.alloc(8_000, i));
      await values.close();
      for (const name of await readdir(join(dir, 'derived'))) {
        const { mtime } = await stat(join(dir, 'derived', name));
        await utimes(join(dir, 'derived', name), mtime, new Date(mtime.getTime() - 1_000));
      }
    }
    const names = await readdir(join(dir, 'derived'));
    expect(names.length).toBeGreaterThan(1);
    expect(names.length).toBeLessThanOrEqual(6);
    expect((await open().find(big, '11'))?.[0]).toBe(11);
    expect(await open().find(big, '0')).toBeUndefined();
  });

  it('a directory that cannot be written costs time only', async () => {
    await writeFile(join(dir, 'plain'), '');
    const files = createDerivedFiles({ dir: join(dir, 'plain', 'derived'), maxBytes: 1_000 });
    const values = createDerivedValues({ maxBytes: 10_000, files });
    expect(await values.get(json, a, async () => ({ n: 1 }))).toEqual({ n: 1 });
    await values.close();
  });
});
