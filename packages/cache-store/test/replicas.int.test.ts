import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import type { BlobStore } from '@waybill/contracts';
import { fixedClock } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CacheStore, type NamespaceRules, openCacheStore } from '../src/index.js';
import { alice, all, expectCode, leaseMs, put, random } from './conformance/scene.js';
import { createDatabase } from './postgres-database.js';

const count = 3;

describe('several stores over one PostgreSQL and one place for bytes', { timeout: 180_000 }, () => {
  let dir: string;
  let database: { readonly url: string; remove(): Promise<void> };
  const clock = fixedClock();
  const opened: { readonly store: CacheStore; readonly blobs: BlobStore }[] = [];
  let rules: NamespaceRules;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-cache-replicas-'));
    database = await createDatabase();
    rules = {};
    for (let slot = 0; slot < count; slot++) {
      const blobs = await createFileBlobStore({ dir, slot, hashThreads: 1 });
      const store = await openCacheStore({
        database: database.url,
        blobs,
        rules: () => rules,
        clock,
        leaseMs,
        graceMs: -3_600_000,
        maintenanceMs: 0,
      });
      opened.push({ store, blobs });
    }
  });

  afterEach(async () => {
    for (const { store, blobs } of opened.splice(0)) {
      await store.close();
      await blobs.close();
    }
    await database.remove();
    await rm(dir, { recursive: true });
  });

  const stores = () => opened.map(({ store }) => store);

  it('are one cache: what one has acknowledged, the next request to another finds', async () => {
    const [one, two] = stores().map((store) => store.namespace('main'));
    if (!one || !two) throw new Error('no stores');
    const bytes = random(3000);
    const value = await put(one, bytes);
    expect(await two.present([value])).toEqual([true]);
    expect(await two.publish({ kind: 'action', keys: ['k'], value }, alice)).toBe('created');
    expect(await one.publish({ kind: 'action', keys: ['k'], value: await put(one, 'other') }, alice)).toBe('exists');
    expect((await one.lookup('action', ['k']))?.value).toEqual(value);
    expect(await two.read(value)).toEqual(bytes);
    await stores()[0]?.principals.add(
      { id: 'ci', credential: { kind: 'token', value: 'x' }, grants: [{ namespace: '*', right: 'read' }] },
      alice,
    );
    expect((await stores()[1]?.principals.find('token', 'x'))?.id).toBe('ci');
    await stores()[2]?.principals.remove('ci', alice);
    expect(await stores()[0]?.principals.find('token', 'x')).toBeUndefined();
  });

  it('let one of many writers win, and count right', async () => {
    const names = ['main', 'other'];
    // Four keys in each of two namespaces.
    const groups = 8;
    const results = await Promise.all(
      stores().flatMap((store, at) =>
        Array.from({ length: 12 }, async (_, key) => {
          const namespace = store.namespace(names[(at + key) % 2] ?? '');
          const value = await put(namespace, `${at} ${key}`);
          const shared = await put(namespace, 'shared');
          const keys = [`${key % 4}`, `own ${at} ${key}`];
          return await namespace.publish({ kind: 'action', keys, value, references: [shared] }, alice);
        }),
      ),
    );
    expect(results.filter((result) => result === 'created')).toHaveLength(groups);
    expect(await all(stores()[0]?.fsck({ verify: true }) ?? emptyList())).toEqual([]);
  });

  it('never exceed the hard limit together, nor collect twice', async () => {
    rules = { quotaBytes: 20_000, hardLimitBytes: 20_000 };
    const results = await Promise.allSettled(
      stores().flatMap((store) => Array.from({ length: 12 }, () => put(store.namespace('main'), random(1000)))),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    const main = stores()[0]?.namespace('main');
    expect(await main?.usage()).toMatchObject({ bytes: 20_000, blobs: 20, reservedBytes: 0 });
    await expectCode(put(stores()[2]?.namespace('main') as never, random(1000)), 'CACHE_FULL');
    clock.advance(2 * leaseMs);
    rules = { quotaBytes: 10_000, lowWatermark: 0.5 };
    const collected = await Promise.all(stores().map((store) => store.gc()));
    expect(collected.reduce((sum, { blobs }) => sum + blobs, 0)).toBe(15);
    expect(await main?.usage()).toMatchObject({ bytes: 5000, blobs: 5 });
    expect(await all(stores()[1]?.fsck({ verify: true }) ?? emptyList())).toEqual([]);
  });
});

async function* emptyList(): AsyncGenerator<never> {}
