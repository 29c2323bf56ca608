import { cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStore, Clock } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, digestsOf, expectCode, expectStored, names, pattern, put } from '../src/conformance.js';
import { createFileBlobStore, type FileBlobStoreOptions } from '../src/index.js';
import { segments } from './file-harness.js';

const smallBytes = 4096;
const small = pattern(1000, 1);
const large = pattern(smallBytes * 80, 2);
const bodies: [string, Buffer][] = [
  ['small', small],
  ['large', large],
];

/** Each store here stands for a process: they share nothing but the directory. */
describe('several processes on one directory', () => {
  let root: string;
  let dir: string;
  let now: number;
  const opened = new Set<BlobStore>();
  const clock: Clock = { now: () => new Date(now) };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-slots-'));
    dir = join(root, 'blobs');
    now = Date.now();
  });

  afterEach(async () => {
    await Promise.all([...opened].map((store) => store.close()));
    opened.clear();
    await rm(root, { recursive: true });
  });

  async function open(slot: number | 'auto', options: Partial<FileBlobStoreOptions> = {}): Promise<BlobStore> {
    const store = await createFileBlobStore({ dir, slot, smallBytes, clock, lookEveryMs: 20, ...options });
    opened.add(store);
    return store;
  }

  async function close(store: BlobStore): Promise<void> {
    opened.delete(store);
    await store.close();
  }

  const hour = 3_600_000;
  const later = (hours: number) => {
    now += hours * hour;
    return new Date(now);
  };

  /** Requests are served soon, not at once. */
  async function gone(store: BlobStore, name: string): Promise<void> {
    for (let waited = 0; waited < 500 && (await store.stat(name)); waited++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await store.stat(name)).toBeUndefined();
  }

  describe('reading', () => {
    it.each(bodies)('finds a %s blob of another as soon as it is flushed', async (_, body) => {
      const stores = [await open(0), await open(1), await open(2)];
      for (const [at, writer] of stores.entries()) {
        const own = Buffer.concat([body, Buffer.from([at])]);
        const { sha256, sha512 } = digestsOf(own);
        await put(writer, own, { sha512: true });
        await writer.flush();
        for (const reader of stores) {
          expect(await reader.stat(sha256)).toMatchObject({ size: own.length, digests: { sha512 } });
          expect(await reader.resolve({ algorithm: 'sha512', hex: sha512 })).toBe(sha256);
          await expectStored(reader, own);
          expect((await collect(reader.open(sha256, { start: 3, end: 9 }))).equals(own.subarray(3, 10))).toBe(true);
          await reader.exportTo(sha256, join(root, 'exported'));
        }
      }
      for (const reader of stores) {
        expect((await names(reader)).length).toBe(3);
        expect(await reader.usage()).toEqual({ bytes: (body.length + 1) * 3, count: 3 });
      }
    });

    it('misses nothing over many segments, writers and readers', async () => {
      const stores = await Promise.all([0, 1, 2, 3].map((slot) => open(slot, { segmentBytes: 20_000 })));
      await Promise.all(
        stores.map(async (writer, at) => {
          for (let round = 0; round < 60; round++) {
            const body = pattern(100 + ((round * 97) % 5000), at * 1000 + round);
            const { digests } = await put(writer, body);
            await writer.flush();
            const reader = stores[(at + 1 + (round % 3)) % stores.length] as BlobStore;
            expect((await reader.stat(digests.sha256))?.size, `slot ${at}, round ${round}`).toBe(body.length);
            await expectStored(reader, body);
          }
        }),
      );
      for (const store of stores) expect((await names(store)).length).toBe(240);
    });

    it('says a name once, however many hold it', async () => {
      const stores = [await open(0), await open(1)];
      for (const store of stores) for (const [, body] of bodies) await put(store, body);
      for (const store of stores) expect((await names(store)).length).toBe(2);
    });

    it('goes on when another restarts, compacts, or its segments are replaced', async () => {
      const reader = await open(0);
      let writer = await open(1, { segmentBytes: 10_000 });
      const all = Array.from({ length: 60 }, (_, at) => pattern(1500 + at, at));
      for (const body of all) await put(writer, body);
      expect((await names(reader)).length).toBe(60);
      for (const body of all.slice(0, 50)) await writer.delete(digestsOf(body).sha256);
      for (let calls = 0; calls < 50 && (await writer.compact()) > 0; calls++);
      for (const body of all.slice(50)) await expectStored(reader, body);
      for (const body of all.slice(0, 50))
        await expectCode(collect(reader.open(digestsOf(body).sha256)), 'BLOB_NOT_FOUND');
      await close(writer);
      await rm(join(dir, 'slots', '1', 'packs'), { recursive: true });
      writer = await open(1);
      await put(writer, all[0] as Buffer);
      await expectStored(reader, all[0] as Buffer);
      await expectCode(collect(reader.open(digestsOf(all[55] as Buffer).sha256)), 'BLOB_NOT_FOUND');
    });

    it('does not take the end of a failed write for a blob', async () => {
      const writer = await open(1);
      await put(writer, small);
      const reader = await open(0);
      await expectStored(reader, small);
      // What a writer leaves that dies in the middle of a record, and what it writes there after it was started again.
      const [segment] = await segments(join(dir, 'slots', '1'));
      await writeFile(segment as string, pattern(700, 5), { flag: 'a' });
      expect(await reader.stat(digestsOf(large).sha256)).toBeUndefined();
      await close(writer);
      const again = await open(1);
      await put(again, pattern(2000, 6));
      await expectStored(reader, pattern(2000, 6));
      expect((await names(reader)).length).toBe(2);
    });
  });

  describe('slots', () => {
    it('belong to one process each', async () => {
      await open(1);
      await expectCode(open(1), 'BLOB_LOCKED');
      await open(0);
      await expectCode(open(0), 'BLOB_LOCKED');
      for (const slot of [-1, 1.5, 5000]) await expectCode(open(slot), 'BLOB_STORAGE_FAILED');
    });

    it('are found by themselves, lowest first', async () => {
      const first = await open('auto');
      const second = await open('auto');
      await put(first, small);
      await put(second, large);
      await close(first);
      expect(await readdir(join(dir, 'slots'))).toEqual(['1']);
      const third = await open('auto');
      await expectStored(third, small);
      await expectStored(third, large);
      expect(await readdir(join(dir, 'slots'))).toEqual(['1']);
    });

    it('that nobody holds are read all the same', async () => {
      for (const slot of [0, 1, 2]) {
        const store = await open(slot);
        await put(store, pattern(500, slot));
        await put(store, pattern(smallBytes * 3, slot));
        await close(store);
      }
      const store = await open(0);
      for (const slot of [0, 1, 2]) {
        await expectStored(store, pattern(500, slot));
        await expectStored(store, pattern(smallBytes * 3, slot));
      }
      expect((await names(store)).length).toBe(6);
    });
  });

  describe('removing', () => {
    it.each(bodies)('a %s blob of another', async (_, body) => {
      const stores = [await open(0), await open(1), await open(2)] as [BlobStore, BlobStore, BlobStore];
      const { sha256 } = (await put(stores[1], body)).digests;
      await put(stores[2], body);
      expect(await stores[0].delete(sha256)).toBe(true);
      for (const store of stores) await gone(store, sha256);
      expect(await stores[0].delete(sha256)).toBe(false);
      await put(stores[1], body);
      for (const store of stores) await expectStored(store, body);
    });

    it.each(bodies)('a %s blob only if no process used it since', async (_, body) => {
      const [sweeper, owner, user] = [await open(0), await open(1), await open(2)];
      const { sha256, sha1 } = (await put(owner, body)).digests;
      const stored = later(1);
      expect(await user.resolve({ algorithm: 'sha1', hex: sha1 })).toBe(sha256);
      for (const store of [sweeper, owner, user]) {
        expect(await store.delete(sha256, { unusedSince: stored })).toBe(false);
      }
      await expectStored(sweeper, body);
      for await (const entry of sweeper.entries())
        expect(entry.usedAt.getTime()).toBeGreaterThanOrEqual(stored.getTime());
      expect(await sweeper.delete(sha256, { unusedSince: later(1) })).toBe(true);
      for (const store of [sweeper, owner, user]) await gone(store, sha256);
    });

    it.each(bodies)('a %s blob that comes again at the same time loses no copy that was taken', async (_, body) => {
      const stores = [await open(0), await open(1), await open(2)] as [BlobStore, BlobStore, BlobStore];
      const { sha256, sha1 } = digestsOf(body);
      await put(stores[0], body);
      let rescued = 0;
      for (let round = 0; round < 40; round++) {
        const since = later(1);
        const [, found] = await Promise.all([
          stores[round % 3]?.delete(sha256, { unusedSince: since }),
          stores[(round + 1) % 3]?.resolve({ algorithm: 'sha1', hex: sha1 }),
          round % 4 === 0 ? put(stores[(round + 2) % 3] as BlobStore, body) : undefined,
        ]);
        // Whoever was told that it is there relies on it, and whoever stored it has it.
        if (found !== undefined || round % 4 === 0) {
          rescued++;
          for (const store of stores) await expectStored(store, body);
        } else await put(stores[0], body);
      }
      expect(rescued).toBeGreaterThan(9);
    });

    it('what a process left that is gone', async () => {
      const dead = await open(1, { segmentBytes: 30_000 });
      const all = Array.from({ length: 20 }, (_, at) => pattern(2000, at));
      for (const body of all) await put(dead, body);
      await put(dead, large);
      // Killed: no orderly end, a temporary file left.
      const copy = join(root, 'copy');
      await cp(dir, copy, { recursive: true });
      await rm(join(copy, 'slots', '1', 'lock'));
      await writeFile(join(copy, 'slots', '1', 'tmp', 'unfinished'), large);
      const store = await open(0, { dir: copy });
      const unusedSince = later(1);
      for (const body of [...all.slice(2), large]) {
        expect(await store.delete(digestsOf(body).sha256, { unusedSince })).toBe(true);
      }
      let freed = 0;
      for (let calls = 0; calls < 20; calls++) freed += await store.compact();
      expect(freed).toBeGreaterThan(large.length + 18 * 2000);
      expect((await names(store)).sort()).toEqual(
        all
          .slice(0, 2)
          .map((body) => digestsOf(body).sha256)
          .sort(),
      );
      expect(await readdir(join(copy, 'slots', '1', 'tmp'))).toEqual([]);
      for (const body of all.slice(0, 2)) await expectStored(store, body);
      const back = await open(1, { dir: copy });
      expect((await names(back)).length).toBe(2);
    });

    it('puts back a file whose removal was not decided when its process was killed', async () => {
      const store = await open(0);
      const { sha256 } = (await put(store, large)).digests;
      await store.flush();
      const copy = join(root, 'copy');
      await cp(dir, copy, { recursive: true });
      await rm(join(copy, 'lock'));
      await rename(join(copy, 'files', sha256.slice(0, 2), sha256), join(copy, 'tmp', `${sha256}.gone`));
      await expectStored(await open(0, { dir: copy }), large);
    });

    it('does not believe a request that is older than the blob', async () => {
      const [asking, owner] = [await open(0), await open(1)];
      const { sha256 } = (await put(owner, small)).digests;
      later(1);
      await close(owner);
      await asking.delete(sha256);
      const early = await open(1);
      await gone(early, sha256);
      later(1);
      await put(early, small);
      await close(early);
      await close(asking);
      const again = await open(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await expectStored(again, small);
    });
  });
});
