import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { pattern } from '../pattern.js';
import { collect, digestsOf, expectCode, expectStored, names, plainDigestsOf, put } from './bodies.js';
import type { Scene } from './scene.js';

export function describeStoring(scene: Scene): void {
  describe('storing', () => {
    it('keeps bodies of every size around its limits, also after reopening', async () => {
      const small = scene.harness.smallBytes;
      const blocks = 256 * 1024;
      const sizes = [0, 1, small - 1, small, small + 1, small * 3, blocks - 1, blocks, blocks + 1, blocks * 9 + 5];
      for (const size of sizes) {
        const body = pattern(size, size);
        expect(await put(scene.store, body, { sha512: true })).toEqual({ digests: digestsOf(body), size });
      }
      await scene.store.flush();
      for (let round = 0; round < 2; round++) {
        for (const size of sizes) {
          const body = pattern(size, size);
          const { digests } = await expectStored(scene.store, body);
          expect(await scene.store.stat(digests.sha256)).toEqual({ digests, size });
        }
        await scene.reopen();
      }
    });

    it('takes any cut of the chunks', async () => {
      for (const [, body] of scene.kinds()) {
        for (const cut of [1 + Math.floor(body.length / 7), 65_536, body.length]) {
          const writer = scene.store.create();
          for (let at = 0; at < body.length; at += cut) await writer.write(body.subarray(at, at + cut));
          await writer.write(Buffer.alloc(0));
          expect(writer.size).toBe(body.length);
          expect((await writer.commit()).digests).toMatchObject(plainDigestsOf(body));
        }
        await expectStored(scene.store, body);
      }
    });

    it('does not trust the size hint', async () => {
      for (const sizeHint of [0, 10, scene.harness.smallBytes * 4]) {
        for (const [, body] of scene.kinds()) {
          const writer = scene.store.create({ sizeHint });
          await writer.write(body);
          expect((await writer.commit()).size).toBe(body.length);
          await expectStored(scene.store, body);
        }
      }
    });

    it('stores equal bytes once, also when they arrive together', async () => {
      for (const [, body] of scene.kinds()) {
        const infos = await Promise.all(Array.from({ length: 20 }, () => put(scene.store, body)));
        for (const info of infos) expect(info).toMatchObject({ digests: plainDigestsOf(body), size: body.length });
        await expectStored(scene.store, body);
      }
      expect(await names(scene.store)).toEqual(
        scene
          .kinds()
          .map(([, body]) => digestsOf(body).sha256)
          .sort(),
      );
      expect(await scene.harness.leftovers()).toEqual([]);
    });

    it('leaves the chunks it was given as they were', async () => {
      for (const [, body] of scene.kinds()) {
        const copy = Buffer.from(body);
        const writer = scene.store.create();
        await writer.write(copy);
        await writer.commit();
        expect(copy.equals(body)).toBe(true);
      }
    });

    it('holds back a writer that is faster than the disk', async () => {
      const chunk = pattern(1024 * 1024, 7);
      const writer = scene.store.create();
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
      const count = scene.harness.manyBodies ?? 20_000;
      const bodies = (from: number) => Array.from({ length: 500 }, (_, at) => Buffer.from(`body ${from + at}`));
      for (let from = 0; from < count; from += 500)
        await Promise.all(bodies(from).map((body) => put(scene.store, body)));
      await scene.store.flush();
      await scene.reopen();
      expect((await names(scene.store)).length).toBe(count);
      for (const at of [0, 1, Math.floor(count / 3), count - 1])
        await expectStored(scene.store, Buffer.from(`body ${at}`));
    });
  });

  describe('giving up', () => {
    it('leaves nothing behind after abort', async () => {
      for (const [, body] of scene.kinds()) {
        const writer = scene.store.create();
        await writer.write(body);
        await writer.abort();
        await writer.abort();
        await expectCode(writer.write(body), 'BLOB_CLOSED');
        await expectCode(writer.commit(), 'BLOB_CLOSED');
        expect(await scene.store.stat(digestsOf(body).sha256)).toBeUndefined();
      }
      expect(await names(scene.store)).toEqual([]);
      expect(await scene.harness.leftovers()).toEqual([]);
    });

    it('keeps the blob when abort comes after commit', async () => {
      for (const [, body] of scene.kinds()) {
        const writer = scene.store.create();
        await writer.write(body);
        await writer.commit();
        await writer.abort();
        await expectStored(scene.store, body);
      }
    });

    it('ends writers and readers when it closes', async () => {
      const body = pattern(scene.harness.smallBytes * 20, 3);
      const { digests } = await put(scene.store, body);
      const writers = scene.kinds().map(([, part]) => ({ writer: scene.store.create(), part }));
      for (const { writer, part } of writers) await writer.write(part);
      const reader = scene.store.open(digests.sha256);
      const ended = expectCode(collect(reader), 'BLOB_CLOSED');
      await scene.store.close();
      await ended;
      for (const { writer, part } of writers) {
        await expectCode(writer.write(part), 'BLOB_CLOSED');
        await expectCode(writer.commit(), 'BLOB_CLOSED');
        await writer.abort();
      }
      expect(() => scene.store.create()).toThrow(expect.objectContaining({ code: 'BLOB_CLOSED' }));
      await expectCode(scene.store.stat(digests.sha256), 'BLOB_CLOSED');
      await expectCode(scene.store.flush(), 'BLOB_CLOSED');
      expect(await scene.harness.leftovers()).toEqual([]);
      await scene.store.close();
      await scene.reopen();
      expect(await names(scene.store)).toEqual([digests.sha256]);
      await expectStored(scene.store, body);
    });
  });
}
