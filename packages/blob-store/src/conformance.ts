// The tests that every driver must pass; drivers call it from a test file of their own.
import type { BlobStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe } from 'vitest';
import { describeFinding } from './conformance/finding.js';
import { describeReading } from './conformance/reading.js';
import { describeRemoving } from './conformance/removing.js';
import type { BlobStoreHarness } from './conformance/scene.js';
import { describeStoring } from './conformance/storing.js';
import { pattern } from './pattern.js';

export { collect, digestsOf, expectCode, expectStored, names, put } from './conformance/bodies.js';
export type { BlobStoreHarness } from './conformance/scene.js';
export { pattern };

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

    const scene = {
      get harness() {
        return harness;
      },
      get store() {
        return store;
      },
      async reopen() {
        await store.close();
        store = await harness.open();
      },
      kinds: (): [string, Buffer][] => [
        ['small', pattern(Math.floor(harness.smallBytes / 2), 1)],
        ['large', pattern(harness.smallBytes * 5 + 17, 2)],
      ],
    };
    describeStoring(scene);
    describeFinding(scene);
    describeReading(scene);
    describeRemoving(scene);
  });
}
