import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from '@waybill/contracts';
import { type BlobStoreHarness, collect } from '../src/conformance.js';
import { createFileBlobStore } from '../src/index.js';
import { flipByte } from './file-harness.js';

const slots = 3;

/**
 * Several stores on one directory that pass for one: each call goes to another of them. Only where the others learn of
 * something soon instead of at once does it wait for them.
 */
export async function slotsHarness(): Promise<BlobStoreHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'waybill-slots-'));
  const directories = Array.from({ length: slots }, (_, slot) => (slot === 0 ? dir : join(dir, 'slots', String(slot))));
  let stores: BlobStore[] = [];
  return {
    smallBytes: 256 * 1024,
    async open() {
      stores = [];
      for (let slot = 0; slot < slots; slot++) stores.push(await createFileBlobStore({ dir, slot, lookEveryMs: 5 }));
      return inTurn(stores);
    },
    async damage(sha256) {
      const damaged = await Promise.allSettled(directories.map((directory) => flipByte(directory, sha256)));
      if (damaged.every(({ status }) => status === 'rejected')) throw new Error(`no bytes of ${sha256}`);
      // Each process finds out for itself.
      for (const store of stores.slice(1)) await collect(store.open(sha256)).catch(() => undefined);
    },
    async leftovers() {
      return (await Promise.all(directories.map((directory) => readdir(join(directory, 'tmp'))))).flat();
    },
    remove: () => rm(dir, { recursive: true }),
  };
}

function inTurn(stores: readonly BlobStore[]): BlobStore {
  let turn = 0;
  const next = () => stores[turn++ % stores.length] as BlobStore;
  const all = async <T>(work: (store: BlobStore) => Promise<T>) => await Promise.all(stores.map(work));

  async function soonGone(sha256: string): Promise<void> {
    for (let waited = 0; waited < 60; waited++) {
      if ((await all((store) => store.stat(sha256))).every((info) => !info)) return;
      await sleep(5);
    }
  }

  return {
    create: (options) => next().create(options),
    stat: (sha256) => next().stat(sha256),
    resolve: (digest) => next().resolve(digest),
    open: (sha256, range) => next().open(sha256, range),
    async flush() {
      await all((store) => store.flush());
    },
    async delete(sha256, options) {
      const isGone = await next().delete(sha256, options);
      if (isGone) await soonGone(sha256);
      return isGone;
    },
    async compact() {
      return (await all((store) => store.compact())).reduce((sum, freed) => sum + freed, 0);
    },
    list: () => next().list(),
    entries: () => next().entries(),
    async usage() {
      // What several hold counts for each of them.
      let bytes = 0;
      let count = 0;
      for await (const { size } of next().entries()) {
        bytes += size;
        count++;
      }
      return { bytes, count };
    },
    exportTo: (sha256, path) => next().exportTo(sha256, path),
    exportMany: (files) => next().exportMany(files),
    async close() {
      await all((store) => store.close());
    },
  };
}
