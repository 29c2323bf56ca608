// Random histories against a model: whatever is evicted, damaged or aborted, no name is given out without its blobs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import type { BlobStore } from '@waybill/contracts';
import { type FixedClock, fixedClock } from '@waybill/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CacheBlob, type CacheStore, openCacheStore } from '../src/index.js';
import { alice, all, blobOf, leaseMs } from './conformance/scene.js';

const hardLimitBytes = 2000;
/** What a collection leaves. */
const collectedBytes = 300;
const bodies = Array.from({ length: 5 }, (_, at) => Buffer.alloc(150 * (at + 1), at + 1));
const keys = ['a', 'b', 'c', 'd'];

/** What must hold, as far as it can be known without knowing what was evicted. */
interface Model {
  /** By key: what a lookup may give. */
  readonly entries: Map<string, { readonly value: CacheBlob; readonly references: readonly CacheBlob[] }>;
  readonly pinned: Set<string>;
  /** Until when a blob must be there, by sha256. */
  readonly leases: Map<string, number>;
}

interface System {
  store: CacheStore;
  readonly blobs: BlobStore;
  readonly clock: FixedClock;
  /** May change at any time, as a configuration does. */
  quotaBytes: number;
}

type Command = fc.AsyncCommand<Model, System>;

function command(name: string, run: (model: Model, system: System) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

const body = fc.nat(bodies.length - 1);
const key = fc.constantFrom(...keys);

const commands = [
  body.map((at) =>
    command(`put ${at}`, async (model, { store, clock }) => {
      const bytes = bodies[at] as Buffer;
      try {
        const upload = await store.namespace('main').upload({ writer: alice, ...blobOf(bytes) });
        await upload.write(bytes);
        const blob = await upload.commit();
        model.leases.set(blob.sha256, clock.now().getTime() + leaseMs);
      } catch (error) {
        expect(codeOf(error)).toBe('CACHE_FULL');
      }
    }),
  ),
  body.map((at) =>
    command(`abort ${at}`, async (_, { store }) => {
      try {
        const upload = await store.namespace('main').upload({ writer: alice });
        await upload.write(bodies[at] as Buffer).finally(() => upload.abort());
      } catch (error) {
        expect(codeOf(error)).toBe('CACHE_FULL');
      }
    }),
  ),
  fc.tuple(fc.uniqueArray(key, { minLength: 1 }), body, fc.array(body, { maxLength: 3 })).map(([names, at, others]) =>
    command(`publish ${names} ${at} ${others}`, async (model, { store, clock }) => {
      const value = blobOf(bodies[at] as Buffer);
      const references = others.map((other) => blobOf(bodies[other] as Buffer));
      try {
        await store.namespace('main').publish({ kind: 'kv', keys: names, value, references }, alice);
        for (const name of names) model.entries.set(name, { value, references });
        for (const { sha256 } of [value, ...references]) model.leases.set(sha256, clock.now().getTime() + leaseMs);
      } catch (error) {
        expect(codeOf(error)).toBe('CACHE_BLOB_MISSING');
      }
    }),
  ),
  key.map((name) =>
    command(`lookup ${name}`, async (model, { store, clock }) => {
      const main = store.namespace('main');
      const entry = await main.lookup('kv', [name]);
      const known = model.entries.get(name);
      if (!entry) {
        expect(model.pinned.has(name), `${name} is pinned`).toBe(false);
        model.entries.delete(name);
        return;
      }
      expect({ value: entry.value, references: entry.references }).toEqual(known);
      for (const blob of [entry.value, ...entry.references]) {
        expect((await main.read(blob))?.length, 'a name without its blob').toBe(blob.size);
        model.leases.set(blob.sha256, clock.now().getTime() + leaseMs);
      }
    }),
  ),
  key.map((name) =>
    command(`remove ${name}`, async (model, { store }) => {
      await store.namespace('main').remove('kv', name, alice);
      model.entries.delete(name);
      model.pinned.delete(name);
    }),
  ),
  fc.tuple(key, fc.boolean()).map(([name, isPinned]) =>
    command(`pin ${name} ${isPinned}`, async (model, { store }) => {
      const isThere = await store.namespace('main').pin('kv', name, isPinned, alice);
      if (isThere && isPinned) model.pinned.add(name);
      else model.pinned.delete(name);
    }),
  ),
  fc
    .integer({ min: 1, max: 2 * leaseMs })
    .map((ms) => command(`wait ${ms}`, async (_, { clock }) => clock.advance(ms))),
  fc.constant(
    command('gc', async (_, system) => {
      system.quotaBytes = collectedBytes;
      const planned = await system.store.gc({ dryRun: true });
      const { removed, ...counts } = await system.store.gc();
      system.quotaBytes = hardLimitBytes;
      expect({ ...counts, removed }).toEqual(planned);
      expect(removed).toHaveLength(counts.entries);
    }),
  ),
  body.map((at) =>
    command(`damage ${at}`, async (model, { store, blobs }) => {
      const { sha256 } = blobOf(bodies[at] as Buffer);
      await blobs.delete(sha256);
      await all(store.fsck({ repair: true }));
      model.leases.delete(sha256);
      const hit = [...model.entries].filter(([, entry]) =>
        [entry.value, ...entry.references].some((blob) => blob.sha256 === sha256),
      );
      for (const [name] of hit) model.pinned.delete(name);
    }),
  ),
];

describe('a cache with random histories', () => {
  let dir: string;
  let blobs: BlobStore;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-cache-model-'));
    blobs = await createFileBlobStore({ dir, hashThreads: 1 });
  });

  afterAll(async () => {
    await blobs.close();
    await rm(dir, { recursive: true });
  });

  it('gives out no name without its blobs, and nothing leased goes', { timeout: 300_000 }, async () => {
    const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), async (history) => {
      const clock = fixedClock();
      const limits = { quotaBytes: hardLimitBytes };
      const store = await openCacheStore({
        database: ':memory:',
        blobs,
        // Nothing above the mark where eviction begins by itself: what goes when is the history's.
        rules: () => ({ quotaBytes: limits.quotaBytes, hardLimitBytes, lowWatermark: 0.5 }),
        leaseMs,
        clock,
        graceMs: -3_600_000,
        maintenanceMs: 0,
      });
      try {
        const model: Model = { entries: new Map(), pinned: new Set(), leases: new Map() };
        const checked = wrapped(history);
        await fc.asyncModelRun(() => ({ model, real: Object.assign(limits, { store, blobs, clock }) }), checked);
        expect(await all(store.fsck({ verify: true }))).toEqual([]);
      } finally {
        await store.close();
        for await (const sha256 of blobs.list()) await blobs.delete(sha256);
      }
    });
    await fc.assert(property, { numRuns: 60, endOnFailure: true });
  });
});

/** What holds after each step. */
function* wrapped(history: Iterable<Command>): Iterable<Command> {
  for (const step of history) {
    yield {
      check: (model) => step.check(model),
      toString: () => String(step),
      run: async (model, system) => {
        await step.run(model, system);
        const main = system.store.namespace('main');
        const usage = await main.usage();
        expect(usage.bytes).toBeLessThanOrEqual(hardLimitBytes);
        expect(usage.reservedBytes).toBe(0);
        const now = system.clock.now().getTime();
        const leased = bodies.map(blobOf).filter(({ sha256 }) => (model.leases.get(sha256) ?? 0) > now);
        const found = await main.list({ limit: 100 });
        for (const { key: name } of found) expect(model.entries.has(name), name).toBe(true);
        for (const name of model.pinned) expect(found.map((entry) => entry.key)).toContain(name);
        // Looked at in the blob store: asking the cache would extend the lease.
        for (const { sha256 } of leased) expect(await system.blobs.stat(sha256), 'leased').toBeDefined();
      },
    };
  }
}
