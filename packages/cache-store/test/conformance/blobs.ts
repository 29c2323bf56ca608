import { describe, expect, it } from 'vitest';
import { alice, blobOf, expectCode, put, random, type Scene, textOf } from './scene.js';

export function describeBlobs(scene: Scene): void {
  describe('blobs', () => {
    it('are there with their bytes, and what was never sent is not', async () => {
      const main = scene.store.namespace('main');
      const large = random(700_000);
      const [small, big] = [await put(main, 'hello'), await put(main, large)];
      const absent = blobOf('absent');
      expect(await main.present([big, absent, small, { ...small, size: 6 }])).toEqual([true, false, true, false]);
      expect(await textOf(main, small)).toBe('hello');
      expect(await main.read(big)).toEqual(large);
      expect(await main.read(absent)).toBeUndefined();
      expect(await main.open({ sha256: small.sha256, size: 4 })).toBeUndefined();
      expect((await main.open({ sha256: small.sha256 }))?.size).toBe(5);
      expect(await main.read(big, 1000)).toBeUndefined();
    });

    it('survive closing', async () => {
      const blob = await put(scene.store.namespace('main'), 'kept');
      await scene.reopen();
      expect(await textOf(scene.store.namespace('main'), blob)).toBe('kept');
    });

    it('the empty one is always there, and can be sent', async () => {
      const main = scene.store.namespace('main');
      const empty = blobOf('');
      expect(await main.present([empty])).toEqual([true]);
      expect((await main.read(empty))?.length).toBe(0);
      expect(await put(main, '')).toEqual(empty);
      expect((await main.usage()).blobs).toBe(0);
    });

    it('come in ranges, of which wrong ones are refused', async () => {
      const main = scene.store.namespace('main');
      const blob = await put(main, '0123456789');
      const part = await main.open(blob, { start: 2, end: 4 });
      expect(part?.size).toBe(10);
      expect(Buffer.concat(await (part?.stream.toArray() ?? [])).toString()).toBe('234');
      for (const range of [
        { start: 4, end: 3 },
        { start: 0, end: 10 },
        { start: -1, end: 1 },
      ]) {
        await expectCode(main.open(blob, range), 'CACHE_RANGE_INVALID');
      }
    });

    it('sent twice, also at the same time, are kept and counted once', async () => {
      const main = scene.store.namespace('main');
      await Promise.all(Array.from({ length: 8 }, () => put(main, 'again')));
      expect(await main.usage()).toMatchObject({ bytes: 5, blobs: 1, reservedBytes: 0 });
    });

    it('are not taken when they are not what was announced', async () => {
      const main = scene.store.namespace('main');
      const announced = blobOf('right');
      const wrong = await main.upload({ writer: alice, ...announced });
      await wrong.write(Buffer.from('wrong'));
      await expectCode(wrong.commit(), 'CACHE_BLOB_MISMATCH');
      await wrong.abort();
      const long = await main.upload({ writer: alice, ...announced });
      await expectCode(long.write(Buffer.from('rights')), 'CACHE_BLOB_MISMATCH');
      await long.abort();
      const short = await main.upload({ writer: alice, ...announced });
      await short.write(Buffer.from('rig'));
      await expectCode(short.commit(), 'CACHE_BLOB_MISMATCH');
      await short.abort();
      expect(await main.present([announced, blobOf('wrong'), blobOf('rig')])).toEqual([false, false, false]);
      expect(await main.usage()).toMatchObject({ bytes: 0, blobs: 0, reservedBytes: 0 });
    });

    it('whose sender gave up leave nothing', async () => {
      const main = scene.store.namespace('main');
      const upload = await main.upload({ writer: alice });
      await upload.write(Buffer.from('half'));
      expect(upload.size).toBe(4);
      await upload.abort();
      await upload.abort();
      expect(await main.present([blobOf('half')])).toEqual([false]);
      expect(await main.usage()).toMatchObject({ bytes: 0, reservedBytes: 0 });
    });

    it('that are too large are refused, announced or not', async () => {
      scene.rules.set('tight', { maxBlobBytes: 10 });
      const tight = scene.store.namespace('tight');
      await expectCode(tight.upload({ writer: alice, size: 11 }), 'CACHE_BLOB_TOO_LARGE');
      const upload = await tight.upload({ writer: alice });
      await upload.write(Buffer.alloc(10));
      await expectCode(upload.write(Buffer.alloc(1)), 'CACHE_BLOB_TOO_LARGE');
      await upload.abort();
      expect((await put(tight, '0123456789')).size).toBe(10);
    });

    it('of one namespace are not visible in another', async () => {
      const blob = await put(scene.store.namespace('main'), 'mine');
      const other = scene.store.namespace('other');
      expect(await other.present([blob])).toEqual([false]);
      expect(await other.open(blob)).toBeUndefined();
      expect(await other.read(blob)).toBeUndefined();
      await put(other, 'mine');
      expect(await textOf(other, blob)).toBe('mine');
    });

    it.each(['', 'ABC', 'g'.repeat(64), `${'a'.repeat(64)}' or 1=1`, '../../etc/passwd', 'A'.repeat(64), 'a\0'])(
      'are not found by what is no digest: %j',
      async (sha256) => {
        const main = scene.store.namespace('main');
        expect(await main.present([{ sha256, size: 3 }])).toEqual([false]);
        expect(await main.open({ sha256 })).toBeUndefined();
        await expectCode(
          main.publish({ kind: 'kv', keys: ['k'], value: { sha256, size: 3 } }, alice),
          'CACHE_BLOB_MISSING',
        );
      },
    );
  });
}
