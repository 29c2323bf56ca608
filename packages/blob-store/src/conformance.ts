// The tests that every driver must pass; drivers call it from a test file of their own.
import { createHash, hash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BlobInfo, BlobStore, BodyDigests, ByteRange } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pattern } from './pattern.js';

export { pattern };

/** One place where blobs are kept, and what a test must be able to do to it from outside. */
export interface BlobStoreHarness {
  /** Opens the store on the same place; the previous one is closed by then. */
  open(): Promise<BlobStore>;
  /** Bodies up to this size are kept in another way than larger ones; the tests go around it. At least 1 KiB. */
  readonly smallBytes: number;
  /** Changes stored bytes of the blob behind the store's back. The store is open. */
  damage(sha256: string): Promise<void>;
  /** Names of anything that belongs to no blob: temporary files, unfinished uploads. */
  leftovers(): Promise<readonly string[]>;
  /** Removes the place. */
  remove(): Promise<void>;
}

/** Runs the suite; `factory` makes a new, empty place for each test. */
export function describeBlobStore(name: string, factory: () => Promise<BlobStoreHarness>): void {
  describe(`blob store: ${name}`, () => {
    let harness: BlobStoreHarness;
    let store: BlobStore;

    beforeEach(async () => {
      harness = await factory();
      store = await harness.open();
    });

    afterEach(async () => {
      await store.close();
      await harness.remove();
    });

    async function reopen(): Promise<void> {
      await store.close();
      store = await harness.open();
    }

    /** A small and a large body, so that both ways of keeping bytes are covered. */
    const kinds = (): [string, Buffer][] => [
      ['small', pattern(Math.floor(harness.smallBytes / 2), 1)],
      ['large', pattern(harness.smallBytes * 5 + 17, 2)],
    ];

    describe('storing', () => {
      it('keeps bodies of every size around its limits, also after reopening', async () => {
        const small = harness.smallBytes;
        const blocks = 256 * 1024;
        const sizes = [0, 1, small - 1, small, small + 1, small * 3, blocks - 1, blocks, blocks + 1, blocks * 9 + 5];
        for (const size of sizes) {
          const body = pattern(size, size);
          expect(await put(store, body)).toEqual({ digests: digestsOf(body), size });
        }
        await store.flush();
        for (let round = 0; round < 2; round++) {
          for (const size of sizes) {
            const body = pattern(size, size);
            const { digests } = await expectStored(store, body);
            expect(await store.stat(digests.sha256)).toEqual({ digests, size });
          }
          await reopen();
        }
      });

      it('takes any cut of the chunks', async () => {
        for (const [, body] of kinds()) {
          for (const cut of [1 + Math.floor(body.length / 7), 65_536, body.length]) {
            const writer = store.create();
            for (let at = 0; at < body.length; at += cut) await writer.write(body.subarray(at, at + cut));
            await writer.write(Buffer.alloc(0));
            expect(writer.size).toBe(body.length);
            expect((await writer.commit()).digests).toEqual(digestsOf(body));
          }
          await expectStored(store, body);
        }
      });

      it('does not trust the size hint', async () => {
        for (const sizeHint of [0, 10, harness.smallBytes * 4]) {
          for (const [, body] of kinds()) {
            const writer = store.create({ sizeHint });
            await writer.write(body);
            expect((await writer.commit()).size).toBe(body.length);
            await expectStored(store, body);
          }
        }
      });

      it('stores equal bytes once, also when they arrive together', async () => {
        for (const [, body] of kinds()) {
          const infos = await Promise.all(Array.from({ length: 20 }, () => put(store, body)));
          for (const info of infos) expect(info).toEqual({ digests: digestsOf(body), size: body.length });
          await expectStored(store, body);
        }
        expect(await names(store)).toEqual(
          kinds()
            .map(([, body]) => digestsOf(body).sha256)
            .sort(),
        );
        expect(await harness.leftovers()).toEqual([]);
      });

      it('leaves the chunks it was given as they were', async () => {
        for (const [, body] of kinds()) {
          const copy = Buffer.from(body);
          const writer = store.create();
          await writer.write(copy);
          await writer.commit();
          expect(copy.equals(body)).toBe(true);
        }
      });

      it('holds back a writer that is faster than the disk', async () => {
        const chunk = pattern(1024 * 1024, 7);
        const writer = store.create();
        let waited = 0;
        for (let count = 0; count < 24; count++) {
          let done = false;
          const written = writer.write(chunk).then(() => {
            done = true;
          });
          await Promise.resolve();
          await Promise.resolve();
          if (!done) waited++;
          await written;
        }
        expect(waited).toBeGreaterThan(0);
        const whole = createHash('sha256');
        for (let count = 0; count < 24; count++) whole.update(chunk);
        expect((await writer.commit()).digests.sha256).toBe(whole.digest('hex'));
      });

      it('keeps many small bodies', { timeout: 60_000 }, async () => {
        const count = 20_000;
        const bodies = (from: number) => Array.from({ length: 500 }, (_, at) => Buffer.from(`body ${from + at}`));
        for (let from = 0; from < count; from += 500) await Promise.all(bodies(from).map((body) => put(store, body)));
        await store.flush();
        await reopen();
        expect((await names(store)).length).toBe(count);
        for (const at of [0, 1, 4_999, 12_345, count - 1]) await expectStored(store, Buffer.from(`body ${at}`));
      });
    });

    describe('giving up', () => {
      it('leaves nothing behind after abort', async () => {
        for (const [, body] of kinds()) {
          const writer = store.create();
          await writer.write(body);
          await writer.abort();
          await writer.abort();
          await expectCode(writer.write(body), 'BLOB_CLOSED');
          await expectCode(writer.commit(), 'BLOB_CLOSED');
          expect(await store.stat(digestsOf(body).sha256)).toBeUndefined();
        }
        expect(await names(store)).toEqual([]);
        expect(await harness.leftovers()).toEqual([]);
      });

      it('keeps the blob when abort comes after commit', async () => {
        for (const [, body] of kinds()) {
          const writer = store.create();
          await writer.write(body);
          await writer.commit();
          await writer.abort();
          await expectStored(store, body);
        }
      });

      it('ends writers and readers when it closes', async () => {
        const body = pattern(harness.smallBytes * 20, 3);
        const { digests } = await put(store, body);
        const writers = kinds().map(([, part]) => ({ writer: store.create(), part }));
        for (const { writer, part } of writers) await writer.write(part);
        const reader = store.open(digests.sha256);
        const ended = expectCode(collect(reader), 'BLOB_CLOSED');
        await store.close();
        await ended;
        for (const { writer, part } of writers) {
          await expectCode(writer.write(part), 'BLOB_CLOSED');
          await expectCode(writer.commit(), 'BLOB_CLOSED');
          await writer.abort();
        }
        expect(() => store.create()).toThrow(expect.objectContaining({ code: 'BLOB_CLOSED' }));
        await expectCode(store.stat(digests.sha256), 'BLOB_CLOSED');
        await expectCode(store.flush(), 'BLOB_CLOSED');
        expect(await harness.leftovers()).toEqual([]);
        await store.close();
        store = await harness.open();
        expect(await names(store)).toEqual([digests.sha256]);
        await expectStored(store, body);
      });
    });

    describe('reading', () => {
      it('answers ranges', async () => {
        for (const [, body] of kinds()) {
          const { sha256 } = (await put(store, body)).digests;
          const last = body.length - 1;
          const ranges: ByteRange[] = [
            { start: 0, end: 0 },
            { start: 0, end: last },
            { start: last, end: last },
            { start: 5, end: 99 },
            { start: 1, end: last - 1 },
          ];
          for (const range of ranges) {
            const found = await collect(store.open(sha256, range));
            expect(found.equals(body.subarray(range.start, range.end + 1))).toBe(true);
          }
        }
      });

      it('refuses ranges outside the blob', async () => {
        for (const [, body] of [...kinds(), ['empty', Buffer.alloc(0)] as const]) {
          const { sha256 } = (await put(store, body)).digests;
          const bad: ByteRange[] = [
            { start: 0, end: body.length },
            { start: -1, end: 0 },
            { start: 2, end: 1 },
            { start: 0.5, end: 1 },
            { start: 0, end: Number.NaN },
            { start: body.length, end: body.length },
          ];
          for (const range of bad) await expectCode(collect(store.open(sha256, range)), 'BLOB_RANGE_INVALID');
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
          expect(await store.stat(name)).toBeUndefined();
          await expectCode(collect(store.open(name)), 'BLOB_NOT_FOUND');
          await expectCode(store.exportTo(name, join(tmpdir(), 'never-made')), 'BLOB_NOT_FOUND');
          await store.delete(name);
        }
      });

      it('never completes a read of damaged bytes, and is repaired by storing them again', async () => {
        for (const [kind, body] of kinds()) {
          const { sha256 } = (await put(store, body)).digests;
          await store.flush();
          await harness.damage(sha256);
          const received: Buffer[] = [];
          const read = (async () => {
            for await (const chunk of store.open(sha256)) received.push(chunk as Buffer);
          })();
          await expectCode(read, 'BLOB_CORRUPT');
          expect(Buffer.concat(received).length, kind).toBeLessThan(body.length);
          await put(store, body);
          await store.flush();
          await expectStored(store, body);
        }
      });

      it('lets a reader stop early', async () => {
        for (const [, body] of kinds()) {
          const { sha256 } = (await put(store, body)).digests;
          for await (const chunk of store.open(sha256)) {
            expect((chunk as Buffer).length).toBeGreaterThan(0);
            break;
          }
          store.open(sha256).destroy();
          await expectStored(store, body);
        }
      });

      it('reads the same blob many times at once', async () => {
        for (const [, body] of kinds()) {
          const { sha256 } = (await put(store, body)).digests;
          const found = await Promise.all(Array.from({ length: 12 }, () => collect(store.open(sha256))));
          for (const bytes of found) expect(bytes.equals(body)).toBe(true);
        }
      });

      it('exports to a file, replacing one that is there', async () => {
        const directory = await mkdtemp(join(tmpdir(), 'waybill-export-'));
        try {
          for (const [kind, body] of [...kinds(), ['empty', Buffer.alloc(0)] as const]) {
            const { sha256 } = (await put(store, body)).digests;
            const path = join(directory, kind);
            for (let round = 0; round < 2; round++) {
              await store.exportTo(sha256, path);
              expect((await readFile(path)).equals(body)).toBe(true);
            }
          }
        } finally {
          await rm(directory, { recursive: true });
        }
      });
    });

    describe('deleting', () => {
      it('forgets a blob for good, and takes it again', async () => {
        for (const [, body] of kinds()) {
          const { sha256 } = (await put(store, body)).digests;
          await store.flush();
          await store.delete(sha256);
          await store.delete(sha256);
          await store.flush();
          expect(await store.stat(sha256)).toBeUndefined();
          await reopen();
          expect(await store.stat(sha256)).toBeUndefined();
          await expectCode(collect(store.open(sha256)), 'BLOB_NOT_FOUND');
          await put(store, body);
          await store.flush();
          await reopen();
          await expectStored(store, body);
        }
      });

      it('keeps a blob that is stored and deleted at the same time either whole or not at all', async () => {
        for (const [, body] of kinds()) {
          const { sha256 } = digestsOf(body);
          for (let round = 0; round < 10; round++) {
            await Promise.all([put(store, body), store.delete(sha256), put(store, body), store.delete(sha256)]);
            if (await store.stat(sha256)) await expectStored(store, body);
            else await expectCode(collect(store.open(sha256)), 'BLOB_NOT_FOUND');
          }
        }
      });

      it('compacts without losing a living or bringing back a deleted blob', async () => {
        const bodies = Array.from({ length: 200 }, (_, at) => pattern(harness.smallBytes / 2 + at, at));
        await Promise.all(bodies.map((body) => put(store, body)));
        await store.flush();
        const isKept = (at: number) => at % 10 === 0;
        await Promise.all(bodies.map((body, at) => (isKept(at) ? undefined : store.delete(digestsOf(body).sha256))));
        await store.flush();
        for (let calls = 0; calls < 100 && (await store.compact()) > 0; calls++);
        for (let round = 0; round < 2; round++) {
          const kept = bodies.filter((_, at) => isKept(at));
          expect(await names(store)).toEqual(kept.map((body) => digestsOf(body).sha256).sort());
          for (const body of kept) await expectStored(store, body);
          await reopen();
        }
        expect(await store.compact()).toBe(0);
      });

      it('reads while it compacts', async () => {
        const bodies = Array.from({ length: 60 }, (_, at) => pattern(harness.smallBytes - at, at));
        await Promise.all(bodies.map((body) => put(store, body)));
        await Promise.all(bodies.map((body, at) => (at % 2 ? store.delete(digestsOf(body).sha256) : undefined)));
        const reads = bodies.filter((_, at) => at % 2 === 0).map((body) => expectStored(store, body));
        await Promise.all([store.compact(), store.compact(), ...reads]);
      });
    });

    describe('flushing', () => {
      it('serves many callers at once, with and without anything to do', async () => {
        await store.flush();
        await Promise.all(
          Array.from({ length: 50 }, async (_, at) => {
            await put(store, Buffer.from(`flushed ${at}`));
            await store.flush();
          }),
        );
        await reopen();
        expect((await names(store)).length).toBe(50);
      });
    });
  });
}

export function digestsOf(body: Uint8Array): BodyDigests {
  return { sha1: hash('sha1', body), sha256: hash('sha256', body), sha512: hash('sha512', body) };
}

/** Stores a body in chunks of 64 KiB. */
export async function put(store: BlobStore, body: Buffer): Promise<BlobInfo> {
  const writer = store.create();
  for (let at = 0; at < body.length; at += 65_536) await writer.write(body.subarray(at, at + 65_536));
  return await writer.commit();
}

export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function expectStored(store: BlobStore, body: Buffer): Promise<{ readonly digests: BodyDigests }> {
  const digests = digestsOf(body);
  const found = await collect(store.open(digests.sha256));
  expect(found.length).toBe(body.length);
  expect(found.equals(body)).toBe(true);
  return { digests };
}

export async function expectCode(attempt: Promise<unknown>, code: string): Promise<void> {
  await expect(attempt).rejects.toThrow(expect.objectContaining({ code }));
}

/** All names, sorted. */
export async function names(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const name of store.list()) found.push(name);
  return found.sort();
}
