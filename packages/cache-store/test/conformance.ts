// What every cache store must do; implementations call it from a test file of their own.
import { afterEach, beforeEach, describe } from 'vitest';
import type { CacheStore, NamespaceRules } from '../src/index.js';
import { describeBlobs } from './conformance/blobs.js';
import { describeEntries } from './conformance/entries.js';
import { describeRemoval } from './conformance/removal.js';
import type { CacheStoreHarness, Scene } from './conformance/scene.js';
import { describeTrust } from './conformance/trust.js';

/**
 * Runs the suite; `factory` makes a new, empty place for each test.
 * @param forgets whether it keeps no leases, room and age, and nothing when it is closed
 */
export function describeCacheStore(name: string, factory: () => Promise<CacheStoreHarness>, forgets = false): void {
  describe(`cache store: ${name}`, { timeout: 120_000 }, () => {
    let harness: CacheStoreHarness;
    let store: CacheStore;
    let rules: Map<string, NamespaceRules>;
    const rulesOf = (namespace: string) => rules.get(namespace);

    beforeEach(async () => {
      harness = await factory();
      rules = new Map([
        ['main', {}],
        ['other', {}],
      ]);
      store = await harness.open(rulesOf);
    });

    afterEach(async () => {
      await store.close();
      await harness.remove();
    });

    const scene: Scene = {
      get store() {
        return store;
      },
      get blobs() {
        if (!harness.blobs) throw new Error('this implementation has no blob store');
        return harness.blobs;
      },
      get clock() {
        return harness.clock;
      },
      get rules() {
        return rules;
      },
      async reopen() {
        await store.close();
        store = await harness.open(rulesOf);
      },
    };
    describeBlobs(scene);
    describeEntries(scene);
    describeTrust(scene);
    if (!forgets) describeRemoval(scene);
  });
}
