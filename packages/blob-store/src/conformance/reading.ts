import { hash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteRange } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pattern } from '../pattern.js';
import { collect, digestsOf, expectCode, expectStored, put } from './bodies.js';
import type { Scene } from './scene.js';

export function describeReading(scene: Scene): void {
  describe('reading', () => {
    it('answers ranges', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        const last = body.length - 1;
        const ranges: ByteRange[] = [
          { start: 0, end: 0 },
          { start: 0, end: last },
          { start: last, end: last },
          { start: 5, end: 99 },
          { start: 1, end: last - 1 },
        ];
        for (const range of ranges) {
          const found = await collect(scene.store.open(sha256, range));
          expect(found.equals(body.subarray(range.start, range.end + 1))).toBe(true);
        }
      }
    });

    it('refuses ranges outside the blob', async () => {
      for (const [, body] of [...scene.kinds(), ['empty', Buffer.alloc(0)] as const]) {
        const { sha256 } = (await put(scene.store, body)).digests;
        const bad: ByteRange[] = [
          { start: 0, end: body.length },
          { start: -1, end: 0 },
          { start: 2, end: 1 },
          { start: 0.5, end: 1 },
          { start: 0, end: Number.NaN },
          { start: body.length, end: body.length },
        ];
        for (const range of bad) await expectCode(collect(scene.store.open(sha256, range)), 'BLOB_RANGE_INVALID');
      }
    });

    it('says when there is no such blob', async () => {
      for (const name of [
        hash('sha256', 'absent'),
        'nonsense',
        '',
        '../../etc/passwd',
        hash('sha256', 'x').toUpperCase(),
      ]) {
        expect(await scene.store.stat(name)).toBeUndefined();
        await expectCode(collect(scene.store.open(name)), 'BLOB_NOT_FOUND');
        await expectCode(scene.store.exportTo(name, join(tmpdir(), 'never-made')), 'BLOB_NOT_FOUND');
        await scene.store.delete(name);
      }
    });

    it('never completes a read of damaged bytes, and is repaired by storing them again', async () => {
      for (const [kind, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        await scene.store.flush();
        await scene.harness.damage(sha256);
        const received: Buffer[] = [];
        const read = (async () => {
          for await (const chunk of scene.store.open(sha256)) received.push(chunk as Buffer);
        })();
        await expectCode(read, 'BLOB_CORRUPT');
        expect(Buffer.concat(received).length, kind).toBeLessThan(body.length);
        await put(scene.store, body);
        await scene.store.flush();
        await expectStored(scene.store, body);
      }
    });

    it('lets a reader stop early', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        for await (const chunk of scene.store.open(sha256)) {
          expect((chunk as Buffer).length).toBeGreaterThan(0);
          break;
        }
        scene.store.open(sha256).destroy();
        await expectStored(scene.store, body);
      }
    });

    it('reads the same blob many times at once', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        const found = await Promise.all(Array.from({ length: 12 }, () => collect(scene.store.open(sha256))));
        for (const bytes of found) expect(bytes.equals(body)).toBe(true);
      }
    });

    describe('exporting many', () => {
      let directory = '';
      beforeEach(async () => {
        directory = await mkdtemp(join(tmpdir(), 'waybill-export-'));
      });
      afterEach(() => rm(directory, { recursive: true }));

      const several = async (count: number) => {
        const { smallBytes } = scene.harness;
        const bodies = Array.from({ length: count }, (_, at) => pattern(at % 20 === 3 ? smallBytes * 2 + at : at, at));
        await Promise.all(bodies.map((body) => put(scene.store, body)));
        return bodies.map((body) => {
          const { sha256 } = digestsOf(body);
          return { body, sha256, path: join(directory, sha256) };
        });
      };
      const expectFiles = async (files: Awaited<ReturnType<typeof several>>) => {
        for (const { path, body } of files) expect((await readFile(path)).equals(body)).toBe(true);
        expect((await readdir(directory)).sort()).toEqual(files.map(({ sha256 }) => sha256).sort());
      };

      it.each([0, 3, 150])('makes a file of each of %i, replacing what is there', async (count) => {
        const files = await several(count);
        for (const { path } of files.slice(-40)) await writeFile(path, 'something else');
        await scene.store.exportMany(files);
        await expectFiles(files);
        await scene.reopen();
        await scene.store.exportMany(files);
        await expectFiles(files);
      });

      it('says when one of them is absent or damaged, and leaves no part of it', async () => {
        const files = await several(60);
        const absent = { sha256: hash('sha256', 'absent'), path: join(directory, 'absent') };
        await expectCode(scene.store.exportMany([...files, absent]), 'BLOB_NOT_FOUND');
        expect(await readdir(directory)).not.toContain('absent');
        await scene.store.flush();
        const { sha256, path } = files[7] as (typeof files)[number];
        await scene.harness.damage(sha256);
        await rm(path, { force: true });
        await expectCode(scene.store.exportMany(files), 'BLOB_CORRUPT');
        expect((await readdir(directory)).filter((name) => name.startsWith(sha256))).toEqual([]);
      });

      it('exports what moves meanwhile', async () => {
        const files = await several(150);
        await scene.store.flush();
        await Promise.all(files.map(({ sha256 }, at) => (at % 2 ? scene.store.delete(sha256) : undefined)));
        const kept = files.filter((_, at) => at % 2 === 0);
        await Promise.all([scene.store.exportMany(kept), scene.store.compact()]);
        await expectFiles(kept);
      });

      it('ends when the store closes', async () => {
        const files = await several(100);
        const exporting = scene.store.exportMany(files);
        await scene.reopen();
        await exporting;
        await expectFiles(files);
      });
    });

    it('exports to a file, replacing one that is there', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'waybill-export-'));
      try {
        for (const [kind, body] of [...scene.kinds(), ['empty', Buffer.alloc(0)] as const]) {
          const { sha256 } = (await put(scene.store, body)).digests;
          const path = join(directory, kind);
          for (let round = 0; round < 2; round++) {
            await scene.store.exportTo(sha256, path);
            expect((await readFile(path)).equals(body)).toBe(true);
          }
        }
      } finally {
        await rm(directory, { recursive: true });
      }
    });
  });
}
