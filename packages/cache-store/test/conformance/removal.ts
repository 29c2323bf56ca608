import { describe, expect, it } from 'vitest';
import { alice, all, blobOf, expectCode, leaseMs, put, random, type Scene } from './scene.js';

const kilobyte = 1024;

/** All leases end. */
function leasesEnd(scene: Scene): void {
  scene.clock.advance(2 * leaseMs);
}

export function describeRemoval(scene: Scene): void {
  /** An entry of `size` bytes of its own. */
  async function entry(name: string, key: string, size = kilobyte) {
    const namespace = scene.store.namespace(name);
    const value = await put(namespace, random(size));
    await namespace.publish({ kind: 'kv', keys: [key], value }, alice);
    return value;
  }

  async function keysOf(name: string): Promise<readonly string[]> {
    return (await scene.store.namespace(name).list({ limit: 1000 })).map(({ key }) => key);
  }

  describe('room', () => {
    it('is made by evicting what was not used for longest, down to the lower mark', async () => {
      const main = scene.store.namespace('main');
      const values = [];
      for (let at = 0; at < 10; at++) values.push(await entry('main', `${at}`));
      leasesEnd(scene);
      await main.lookup('kv', ['0']);
      leasesEnd(scene);
      await entry('main', 'last');
      expect(await scene.store.gc()).toMatchObject({ entries: 0, blobs: 0 });
      scene.rules.set('main', { quotaBytes: 10 * kilobyte, lowWatermark: 0.5 });
      expect(await scene.store.gc({ dryRun: true })).toMatchObject({ entries: 6, blobs: 6, bytes: 6 * kilobyte });
      expect(await keysOf('main')).toHaveLength(11);
      const { removed, ...counts } = await scene.store.gc();
      expect(counts).toEqual({ entries: 6, blobs: 6, bytes: 6 * kilobyte });
      expect(removed.map(({ key }) => key)).toEqual(['1', '2', '3', '4', '5', '6']);
      expect(await keysOf('main')).toEqual(['0', '7', '8', '9', 'last']);
      expect(await main.usage()).toMatchObject({ bytes: 5 * kilobyte, blobs: 5, entries: 5 });
      expect(await main.present(values)).toEqual([true, ...Array(6).fill(false), true, true, true]);
      expect(await all(scene.blobs.list())).toHaveLength(5);
      expect((await scene.store.audit({ limit: 1 }))[0]).toMatchObject({ action: 'evict', namespace: 'main' });
      expect(await all(scene.store.fsck({ verify: true }))).toEqual([]);
    });

    it('is not made of what is leased: then the cache is full', async () => {
      scene.rules.set('main', { quotaBytes: 4 * kilobyte, hardLimitBytes: 4 * kilobyte });
      const main = scene.store.namespace('main');
      for (let at = 0; at < 4; at++) await entry('main', `${at}`);
      await expectCode(main.upload({ writer: alice, size: kilobyte }), 'CACHE_FULL');
      const unannounced = await main.upload({ writer: alice });
      await expectCode(unannounced.write(random(kilobyte)), 'CACHE_FULL');
      await unannounced.abort();
      expect(await keysOf('main')).toHaveLength(4);
      leasesEnd(scene);
      await entry('main', 'new');
      expect(await keysOf('main')).toContain('new');
      expect((await main.usage()).bytes).toBeLessThanOrEqual(4 * kilobyte);
    });

    it('is reserved for uploads under way, and given back however they end', async () => {
      scene.rules.set('main', { quotaBytes: 4 * kilobyte, hardLimitBytes: 4 * kilobyte });
      const main = scene.store.namespace('main');
      const upload = await main.upload({ writer: alice, size: 3 * kilobyte });
      expect(await main.usage()).toMatchObject({ bytes: 0, reservedBytes: 3 * kilobyte });
      await expectCode(main.upload({ writer: alice, size: 2 * kilobyte }), 'CACHE_FULL');
      await upload.abort();
      const failing = await main.upload({ writer: alice, size: 4 * kilobyte, sha256: blobOf('x').sha256 });
      await failing.write(random(4 * kilobyte));
      await expectCode(failing.commit(), 'CACHE_BLOB_MISMATCH');
      await failing.abort();
      expect((await main.usage()).reservedBytes).toBe(0);
      const bytes = random(4 * kilobyte);
      await put(main, bytes);
      expect(await main.usage()).toMatchObject({ bytes: 4 * kilobyte, reservedBytes: 0 });
    });

    it('never exceeds the hard limit, however many write', async () => {
      scene.rules.set('main', { quotaBytes: 8 * kilobyte, hardLimitBytes: 9 * kilobyte });
      const main = scene.store.namespace('main');
      const results = await Promise.allSettled(Array.from({ length: 30 }, () => put(main, random(kilobyte))));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(9);
      const refused = results.filter((result) => result.status === 'rejected');
      expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(new Set(['CACHE_FULL']));
      expect(await main.usage()).toMatchObject({ bytes: 9 * kilobyte, reservedBytes: 0 });
    });
  });

  describe('eviction', () => {
    it('spares pinned entries with all that they need', async () => {
      const main = scene.store.namespace('main');
      const [value, reference] = [await put(main, random(kilobyte)), await put(main, random(kilobyte))];
      await main.publish({ kind: 'kv', keys: ['pinned'], value, references: [reference] }, alice);
      await main.publish({ kind: 'kv', keys: ['free'], value: reference, references: [value] }, alice);
      await main.pin('kv', 'pinned', true, alice);
      await entry('main', 'other');
      leasesEnd(scene);
      scene.rules.set('main', { quotaBytes: 2 * kilobyte, lowWatermark: 0 });
      expect(await scene.store.gc()).toMatchObject({ entries: 2, blobs: 1 });
      expect((await main.lookup('kv', ['pinned']))?.references).toEqual([reference]);
    });

    it('keeps a blob that a name needs, and one that others have', async () => {
      const [main, other] = [scene.store.namespace('main'), scene.store.namespace('other')];
      const bytes = random(kilobyte);
      const shared = await put(main, bytes);
      await put(other, bytes);
      await main.publish({ kind: 'kv', keys: ['a', 'b'], value: shared }, alice);
      leasesEnd(scene);
      scene.rules.set('main', { quotaBytes: 1, lowWatermark: 0 });
      expect(await scene.store.gc()).toMatchObject({ entries: 2, blobs: 1 });
      expect(await main.present([shared])).toEqual([false]);
      expect(await other.read(shared)).toEqual(bytes);
      expect(await main.usage()).toMatchObject({ bytes: 0, blobs: 0, entries: 0 });
    });

    it('leaves what somebody was told is there', async () => {
      const main = scene.store.namespace('main');
      const [told, untold] = [await put(main, random(kilobyte)), await put(main, random(kilobyte))];
      leasesEnd(scene);
      expect(await main.present([told])).toEqual([true]);
      scene.clock.advance(leaseMs - 1);
      scene.rules.set('main', { quotaBytes: 1, lowWatermark: 0 });
      await scene.store.gc();
      expect(await main.present([told, untold])).toEqual([true, false]);
      expect(await main.publish({ kind: 'kv', keys: ['k'], value: told }, alice)).toBe('created');
    });

    it('waits for whoever reads', async () => {
      const main = scene.store.namespace('main');
      const bytes = random(3_000_000);
      const blob = await put(main, bytes);
      const opened = await main.open(blob);
      leasesEnd(scene);
      scene.rules.set('main', { quotaBytes: 1, lowWatermark: 0 });
      await scene.store.gc();
      expect(Buffer.concat((await opened?.stream.toArray()) ?? [])).toEqual(bytes);
      leasesEnd(scene);
      expect(await scene.store.gc()).toMatchObject({ blobs: 1 });
      expect(await main.open(blob)).toBeUndefined();
    });

    it('removes what is over or unused for too long', async () => {
      scene.rules.set('main', { unusedMs: 10 * leaseMs });
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      const expiresAt = new Date(scene.clock.now().getTime() + 1000);
      await main.publish({ kind: 'kv', keys: ['short'], value, expiresAt }, alice);
      await main.publish({ kind: 'kv', keys: ['long'], value }, alice);
      scene.clock.advance(1000);
      expect(await main.lookup('kv', ['short'])).toBeUndefined();
      expect(await keysOf('main')).toEqual(['long']);
      expect((await scene.store.gc()).removed.map(({ key }) => key)).toEqual(['short']);
      scene.clock.advance(9 * leaseMs);
      expect((await main.lookup('kv', ['long']))?.key).toBe('long');
      scene.clock.advance(9 * leaseMs);
      expect((await scene.store.gc()).entries).toBe(0);
      scene.clock.advance(11 * leaseMs);
      expect(await scene.store.gc()).toMatchObject({ entries: 1, blobs: 1 });
    });

    it('in the trusted namespace makes what reads through a miss', async () => {
      scene.rules.set('pulls', { readsThrough: 'main' });
      const [main, pulls] = [scene.store.namespace('main'), scene.store.namespace('pulls')];
      const [shared, own] = [await put(main, random(kilobyte)), await put(pulls, 'own')];
      await pulls.publish({ kind: 'action', keys: ['k'], value: own, references: [shared] }, alice);
      scene.clock.advance(leaseMs);
      expect((await pulls.lookup('action', ['k']))?.references).toEqual([shared]);
      leasesEnd(scene);
      scene.rules.set('main', { quotaBytes: 1, lowWatermark: 0 });
      await scene.store.gc();
      expect(await main.present([shared])).toEqual([false]);
      expect(await pulls.lookup('action', ['k'])).toBeUndefined();
      expect(await pulls.list({ limit: 9 })).toEqual([]);
      const other = await put(pulls, 'other');
      expect(await pulls.publish({ kind: 'action', keys: ['k'], value: other }, alice)).toBe('created');
    });
  });

  describe('damage', () => {
    it('of bytes that are gone makes their names a miss, and is found and repaired', async () => {
      const main = scene.store.namespace('main');
      const value = await entry('main', 'k');
      await entry('main', 'fine');
      await scene.blobs.delete(value.sha256);
      const found = await all(scene.store.fsck());
      expect(found).toEqual([{ problem: 'blob-missing', sha256: value.sha256, repaired: false }]);
      expect(await main.open(value)).toBeUndefined();
      expect(await main.present([value])).toEqual([false]);
      expect(await all(scene.store.fsck())).toEqual([
        { problem: 'entry-incomplete', namespace: 'main', kind: 'kv', key: 'k', repaired: false },
      ]);
      expect((await all(scene.store.fsck({ repair: true }))).map(({ repaired }) => repaired)).toEqual([true]);
      expect(await all(scene.store.fsck({ verify: true }))).toEqual([]);
      expect(await keysOf('main')).toEqual(['fine']);
    });

    it('is repaired with its consequences in one go', async () => {
      const value = await entry('main', 'k');
      await scene.blobs.delete(value.sha256);
      const problems = (await all(scene.store.fsck({ repair: true }))).map(({ problem }) => problem);
      expect(problems).toEqual(['blob-missing', 'entry-incomplete']);
      expect(await scene.store.namespace('main').usage()).toMatchObject({ bytes: 0, blobs: 0, entries: 0 });
    });

    it('of bytes that nobody knows is found and removed', async () => {
      const writer = scene.blobs.create();
      await writer.write(Buffer.from('nobody knows me'));
      const { digests } = await writer.commit();
      await scene.blobs.flush();
      const found = { problem: 'blob-unknown', sha256: digests.sha256 };
      expect(await all(scene.store.fsck())).toEqual([{ ...found, repaired: false }]);
      expect(await all(scene.store.fsck({ repair: true }))).toEqual([{ ...found, repaired: true }]);
      expect(await all(scene.blobs.list())).toEqual([]);
    });
  });
}
