import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { BlobStore, Logger } from '@waybill/contracts';
import { runProgram, sourceArguments } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, digestsOf, expectCode, expectStored, names, pattern, put } from '../src/conformance.js';
import { encodeHeader, hashBody, headerBytes } from '../src/file/record.js';
import { createFileBlobStore, type FileBlobStoreOptions } from '../src/index.js';
import { flipAt, flipByte, segments } from './file-harness.js';

const smallBytes = 4096;

describe('file blob store', () => {
  let root: string;
  let dir: string;
  const opened: BlobStore[] = [];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-blobs-'));
    dir = join(root, 'deep', 'blobs');
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await rm(root, { recursive: true });
  });

  async function open(options: Partial<FileBlobStoreOptions> = {}): Promise<BlobStore> {
    const store = await createFileBlobStore({ dir, smallBytes, ...options });
    opened.push(store);
    return store;
  }

  /** What a killed process would leave: the directory as it is now, without its lock. */
  async function crash(name: string): Promise<string> {
    const copy = join(root, name);
    await cp(dir, copy, { recursive: true });
    await rm(join(copy, 'lock'), { force: true });
    return copy;
  }

  /** Bodies 0, 1, 2 … of different sizes. */
  const bodies = (count: number) => Array.from({ length: count }, (_, at) => pattern(at * 37, at));

  /** Collects what the store logs. */
  function listening() {
    const lines: string[] = [];
    const line = (_: unknown, message: string) => void lines.push(message);
    const logger: Logger = { debug: line, info: line, warn: line, error: line };
    return { lines, logger };
  }

  describe('on disk', () => {
    it('is private', async () => {
      const store = await open();
      await put(store, pattern(10, 1));
      await put(store, pattern(smallBytes * 3, 1));
      await store.flush();
      const paths = (await readdir(dir, { recursive: true })).map((name) => join(dir, name));
      expect(paths.length).toBeGreaterThan(6);
      for (const path of [dir, dirname(dir), ...paths]) {
        const found = await stat(path);
        expect(found.mode & 0o777, path).toBe(found.isDirectory() ? 0o700 : 0o600);
      }
    });

    it('packs small bodies and gives large ones a file', async () => {
      const store = await open();
      for (const body of bodies(50)) await put(store, body);
      const { digests } = await put(store, pattern(smallBytes + 1, 9));
      expect((await segments(dir)).length).toBe(1);
      const files = (await readdir(join(dir, 'files'), { recursive: true })).filter((name) => name.includes('/'));
      expect(files).toEqual([`${digests.sha256.slice(0, 2)}/${digests.sha256}`]);
    });

    it('hashes large bodies in another thread', async () => {
      const store = await open();
      const chunk = pattern(8 * 1024 * 1024, 5);
      const writer = store.create();
      const before = process.threadCpuUsage();
      for (let at = 0; at < 8; at++) await writer.write(chunk);
      await writer.commit();
      const storing = process.threadCpuUsage(before);
      const start = process.threadCpuUsage();
      for (let at = 0; at < 8; at++) digestsOf(chunk);
      const hashing = process.threadCpuUsage(start);
      expect(storing.user).toBeLessThan(hashing.user / 2);
    });
  });

  describe('opening', () => {
    it('lets one store use a directory', async () => {
      const store = await open();
      await expectCode(open(), 'BLOB_LOCKED');
      await store.close();
      await open();
    });

    it('says what is wrong with a directory', async () => {
      await writeFile(join(root, 'file'), '');
      await expect(createFileBlobStore({ dir: join(root, 'file') })).rejects.toMatchObject({
        code: 'BLOB_STORAGE_FAILED',
        message: expect.stringContaining(join(root, 'file')),
        hint: expect.stringContaining('another directory'),
      });
      await expectCode(createFileBlobStore({ dir: join(root, 'file', 'below') }), 'BLOB_STORAGE_FAILED');
      expect(await readdir(root)).toEqual(['file']);
    });

    it('leaves a directory of another format alone', async () => {
      await (await open()).close();
      await writeFile(join(dir, 'format'), 'waybill-blobs 99\n');
      await expectCode(open(), 'BLOB_STORAGE_FAILED');
      expect(await readdir(dir)).not.toContain('lock');
    });

    it('takes over a directory of the first version', async () => {
      const tag = Buffer.from('0123456789abcdef', 'hex');
      const all = bodies(20);
      const large = pattern(smallBytes * 50, 7);
      const record = (kind: 'packed' | 'file', body: Buffer) => [
        encodeHeader({ kind, size: body.length, digests: hashBody(body), usedAt: 0 }, tag),
        ...(kind === 'packed' ? [body] : []),
      ];
      const { sha256 } = digestsOf(large);
      for (const name of ['packs', 'tmp', `files/${sha256.slice(0, 2)}`])
        await mkdir(join(dir, name), { recursive: true });
      await writeFile(join(dir, 'format'), 'waybill-blobs 1\n');
      await writeFile(join(dir, 'clean'), '');
      await writeFile(join(dir, 'files', sha256.slice(0, 2), sha256), large);
      const segment = [...all.flatMap((body) => record('packed', body)), ...record('file', large)];
      await writeFile(join(dir, 'packs', '00000001.0123456789abcdef.seg'), Buffer.concat(segment));
      await writeFile(join(dir, 'packs', '00000001.0123456789abcdef.idx'), 'WBI1 with entries of 44 bytes');
      for (let round = 0; round < 2; round++) {
        const store = await open({ slot: round });
        for (const body of [...all, large]) {
          const digests = digestsOf(body);
          await expectStored(store, body);
          expect(await store.resolve({ algorithm: 'sha512', hex: digests.sha512 })).toBe(digests.sha256);
        }
        for await (const { usedAt } of store.entries())
          expect(Math.abs(Date.now() - usedAt.getTime())).toBeLessThan(90_000);
        expect((await names(store)).length).toBe(21);
        await store.close();
        expect(await readFile(join(dir, 'format'), 'utf8')).toBe('waybill-blobs 2\n');
      }
    });

    it.each([
      { smallBytes: -1 },
      { smallBytes: 1.5 },
      { segmentBytes: 0 },
      { segmentBytes: 2 ** 40 },
      { hashThreads: 0 },
    ])('refuses %j', async (options) => {
      await expectCode(open(options), 'BLOB_STORAGE_FAILED');
    });

    it('goes on with the last segment instead of beginning one each time', async () => {
      for (let round = 0; round < 5; round++) {
        const store = await open();
        await put(store, pattern(100, round));
        await store.close();
      }
      expect((await segments(dir)).length).toBe(1);
      expect((await names(await open())).length).toBe(5);
    });

    it('takes other limits than the ones it was made with', async () => {
      const first = await open({ smallBytes: 10_000, segmentBytes: 20_000 });
      for (const body of bodies(40)) await put(first, body);
      await first.close();
      const second = await open({ smallBytes: 100, segmentBytes: 300 });
      for (const body of bodies(60)) await put(second, body);
      for (const body of bodies(60)) await expectStored(second, body);
      expect((await names(second)).length).toBe(60);
    });
  });

  describe('after a crash', () => {
    it('has every flushed blob, and no temporary file', async () => {
      const store = await open({ segmentBytes: 10_000 });
      const all = [...bodies(60), pattern(smallBytes * 2, 1)];
      for (const body of all) await put(store, body);
      await store.flush();
      const unfinished = store.create();
      await unfinished.write(pattern(smallBytes * 300, 3));
      for (let waited = 0; waited < 200 && (await readdir(join(dir, 'tmp'))).length === 0; waited++) await turn();
      const copy = await crash('crashed');
      expect((await readdir(join(copy, 'tmp'))).length).toBe(1);
      await unfinished.abort();
      const again = await open({ dir: copy, segmentBytes: 10_000 });
      expect(await readdir(join(copy, 'tmp'))).toEqual([]);
      for (const body of all) await expectStored(again, body);
      expect((await names(again)).length).toBe(all.length);
    });

    it('cuts off a torn tail wherever it was torn', async () => {
      const store = await open();
      const [first, last] = [pattern(100, 1), pattern(200, 2)];
      await put(store, first);
      await put(store, last);
      await store.flush();
      const [segment] = await segments(dir);
      const whole = (await stat(segment as string)).size;
      const start = whole - headerBytes - last.length;
      for (const kept of [start, start + 1, start + headerBytes - 1, start + headerBytes, whole - 1, whole]) {
        const copy = await crash(`torn at ${kept}`);
        const [torn] = await segments(copy);
        await truncate(torn as string, kept);
        const again = await open({ dir: copy });
        await expectStored(again, first);
        if (kept === whole) await expectStored(again, last);
        else expect(await names(again)).toEqual([digestsOf(first).sha256]);
        expect((await stat(torn as string)).size).toBe(kept === whole ? whole : start);
        await put(again, last);
        await again.close();
        await expectStored(await open({ dir: copy }), last);
      }
    });

    it('replaces a tail of zeros or noise, which a file system may leave', async () => {
      const store = await open();
      await put(store, pattern(100, 1));
      await store.flush();
      for (const [at, noise] of [Buffer.alloc(5_000), pattern(5_000, 3), Buffer.from('WBR1'.repeat(900))].entries()) {
        const copy = await crash(`noise ${at}`);
        const [segment] = await segments(copy);
        await writeFile(segment as string, noise, { flag: 'a' });
        const again = await open({ dir: copy });
        await put(again, pattern(300, 4));
        await again.close();
        const third = await open({ dir: copy });
        await expectStored(third, pattern(100, 1));
        await expectStored(third, pattern(300, 4));
      }
    });

    it('loses only the record that is damaged, and says so', async () => {
      const all = bodies(30).slice(1);
      const store = await open();
      for (const body of all) await put(store, body);
      await store.flush();
      const damages: [string, number][] = [
        ['magic', -24],
        ['length', -8],
        ['name', 0],
        ['checksum', 116],
        ['body', 120],
      ];
      for (const [what, offset] of damages) {
        const copy = await crash(`damaged ${what}`);
        const [segment] = await segments(copy);
        const victim = digestsOf(all[10] as Buffer).sha256;
        const at = (await readFile(segment as string)).indexOf(Buffer.from(victim, 'hex'));
        await flipAt(segment as string, at + offset);
        const { lines, logger } = listening();
        const again = await open({ dir: copy, logger });
        expect(await names(again)).toEqual(
          all
            .map((body) => digestsOf(body).sha256)
            .filter((name) => name !== victim)
            .sort(),
        );
        expect(lines).toContain('skipped damaged bytes in a segment');
        await put(again, all[10] as Buffer);
        await again.close();
        const third = await open({ dir: copy });
        for (const body of all) await expectStored(third, body);
      }
    });

    it('does not take bytes inside a body for records', async () => {
      const digests = hashBody(Buffer.from('victim'));
      const store = await open();
      await put(store, Buffer.from('victim'));
      const [segment] = await segments(dir);
      const tag = (await readFile(segment as string)).subarray(4, 12);
      const forged = { kind: 'deleted', size: 0, digests, usedAt: 0 } as const;
      // Only somebody who can read the disk knows the tag; with a wrong one the forged record must not count.
      const wrong = encodeHeader(forged, Buffer.alloc(8));
      const right = encodeHeader(forged, tag);
      for (const [at, record] of [wrong, right].entries()) await put(store, Buffer.concat([pattern(50, at), record]));
      await store.flush();
      for (const [name, record, remains] of [
        ['wrong tag', wrong, true],
        ['right tag', right, false],
      ] as const) {
        const copy = await crash(name);
        const [torn] = await segments(copy);
        const outer = (await readFile(torn as string)).indexOf(record);
        await flipAt(torn as string, outer - 50 - headerBytes + 20);
        const again = await open({ dir: copy });
        expect((await names(again)).includes(digests.sha256)).toBe(remains);
      }
    });

    it('reads the segments when their indexes are missing or damaged', async () => {
      const store = await open({ segmentBytes: 5_000 });
      const all = bodies(40);
      for (const body of all) await put(store, body);
      await store.delete(digestsOf(all[3] as Buffer).sha256);
      await store.close();
      const indexes = async () => (await readdir(join(dir, 'packs'))).filter((name) => name.endsWith('.idx'));
      expect((await indexes()).length).toBeGreaterThan(3);
      for (const break_ of [unlink, (path: string) => flipAt(path, 30), (path: string) => truncate(path, 10)]) {
        for (const name of await indexes()) await break_(join(dir, 'packs', name));
        const again = await open({ segmentBytes: 5_000 });
        expect((await names(again)).length).toBe(39);
        for (const body of all.filter((_, at) => at !== 3)) await expectStored(again, body);
        await again.close();
      }
    });

    it('believes a segment that was cut short, not its index', async () => {
      const store = await open();
      for (const body of bodies(20)) await put(store, body);
      await store.close();
      const [segment] = await segments(dir);
      await truncate(segment as string, (await stat(segment as string)).size - 300);
      const again = await open();
      expect((await names(again)).length).toBe(19);
      for (const body of bodies(19)) await expectStored(again, body);
    });

    it('takes in whole files without a name, and removes others', async () => {
      const store = await open();
      await put(store, pattern(10, 1));
      await store.flush();
      const copy = await crash('orphans');
      const body = pattern(smallBytes * 80, 7);
      const { sha256 } = digestsOf(body);
      const wrong = digestsOf(Buffer.from('other')).sha256;
      for (const name of [sha256, wrong]) {
        await mkdir(join(copy, 'files', name.slice(0, 2)), { recursive: true });
        await writeFile(join(copy, 'files', name.slice(0, 2), name), body);
      }
      const again = await open({ dir: copy });
      expect(await names(again)).toEqual([sha256, digestsOf(pattern(10, 1)).sha256].sort());
      await expectStored(again, body);
      expect((await again.stat(sha256))?.digests).toEqual(digestsOf(body));
      await expect(stat(join(copy, 'files', wrong.slice(0, 2), wrong))).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('forgets a name whose file is gone', async () => {
      const store = await open();
      const body = pattern(smallBytes * 2, 7);
      const { digests } = await put(store, body);
      await store.flush();
      const copy = await crash('gone');
      await unlink(join(copy, 'files', digests.sha256.slice(0, 2), digests.sha256));
      for (let round = 0; round < 2; round++) {
        const again = await open({ dir: copy });
        expect(await names(again)).toEqual([]);
        await again.close();
      }
      const third = await open({ dir: copy });
      await put(third, body);
      await expectStored(third, body);
    });

    it('keeps a deleted blob deleted', async () => {
      const store = await open();
      const all = [pattern(100, 1), pattern(smallBytes * 2, 2)];
      for (const body of all) await put(store, body);
      await store.flush();
      for (const body of all) await store.delete(digestsOf(body).sha256);
      await store.flush();
      expect(await names(await open({ dir: await crash('deleted') }))).toEqual([]);
    });
  });

  describe('damage while open', () => {
    it.each([100, smallBytes * 2, 700_000])('notices a body of %i bytes that is gone', async (size) => {
      const store = await open();
      const body = pattern(size, 1);
      const { digests } = await put(store, body);
      await store.flush();
      await rm(size > smallBytes ? join(dir, 'files', digests.sha256.slice(0, 2)) : join(dir, 'packs'), {
        recursive: true,
      });
      await mkdir(join(dir, 'packs'), { recursive: true });
      await expectCode(collect(store.open(digests.sha256)), 'BLOB_CORRUPT');
      if (size <= smallBytes) return;
      await put(store, body);
      await expectStored(store, body);
    });

    it.each([smallBytes * 2, 700_000])('notices a file of %i bytes that was cut short', async (size) => {
      const store = await open();
      const { digests } = await put(store, pattern(size, 1));
      await truncate(join(dir, 'files', digests.sha256.slice(0, 2), digests.sha256), size - 1);
      await expectCode(collect(store.open(digests.sha256)), 'BLOB_CORRUPT');
      await expectCode(collect(store.open(digests.sha256, { start: 10, end: size - 1 })), 'BLOB_CORRUPT');
    });

    it('checks the whole of a small body even for a range of it', async () => {
      const store = await open();
      const { digests } = await put(store, pattern(1_000, 1));
      await store.flush();
      await flipByte(dir, digests.sha256);
      await expectCode(collect(store.open(digests.sha256, { start: 0, end: 9 })), 'BLOB_CORRUPT');
      await expectCode(store.exportTo(digests.sha256, join(root, 'out')), 'BLOB_CORRUPT');
      expect(await readdir(root)).not.toContain('out');
    });
  });

  describe('ending', () => {
    it('lets the process end, closed or not, and leaves no lock', { timeout: 30_000 }, async () => {
      for (const args of [['closed'], []]) {
        const program = sourceArguments(new URL('exit-child.ts', import.meta.url));
        const { code, stdout, stderr } = await runProgram(process.execPath, [...program, dir, ...args]);
        expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'end', stderr: '' });
        expect(await readdir(dir)).not.toContain('lock');
      }
      expect((await names(await open())).length).toBe(2);
    });
  });

  describe('exporting', () => {
    it('links large files and says where it cannot write', async () => {
      const store = await open();
      const { digests } = await put(store, pattern(smallBytes * 2, 1));
      await store.exportTo(digests.sha256, join(root, 'out'));
      expect((await stat(join(root, 'out'))).nlink).toBe(2);
      await expect(store.exportTo(digests.sha256, join(root, 'missing', 'out'))).rejects.toMatchObject({
        code: 'BLOB_STORAGE_FAILED',
        message: expect.stringContaining(join(root, 'missing', 'out')),
      });
    });
  });

  describe('compacting', () => {
    it('gives the space back', async () => {
      const store = await open({ segmentBytes: 50_000 });
      const all = Array.from({ length: 100 }, (_, at) => pattern(2_000, at));
      for (const body of all) await put(store, body);
      const used = async () => {
        const sizes = await Promise.all((await segments(dir)).map(async (path) => (await stat(path)).size));
        return sizes.reduce((sum, size) => sum + size, 0);
      };
      const before = await used();
      for (const body of all.slice(5)) await store.delete(digestsOf(body).sha256);
      let freed = 0;
      for (let calls = 0; calls < 50; calls++) {
        const bytes = await store.compact();
        freed += bytes;
        if (bytes === 0) break;
      }
      expect(freed).toBeGreaterThan(before * 0.8);
      expect(await used()).toBeLessThan(before * 0.2);
      expect(await store.compact()).toBe(0);
    });

    it('drops what was damaged meanwhile, and nothing else', async () => {
      const { lines, logger } = listening();
      const store = await open({ segmentBytes: 20_000, logger });
      const all = Array.from({ length: 20 }, (_, at) => pattern(2_000, at));
      for (const body of all) await put(store, body);
      await store.flush();
      const victim = digestsOf(all[0] as Buffer).sha256;
      await flipByte(dir, victim);
      for (const body of all.slice(2, 8)) await store.delete(digestsOf(body).sha256);
      expect(await store.compact()).toBeGreaterThan(0);
      expect(await store.stat(victim)).toBeUndefined();
      expect(lines.some((line) => line.includes(victim))).toBe(true);
      for (const body of [all[1] as Buffer, ...all.slice(8)]) await expectStored(store, body);
    });
  });
});
