// The tests that the store must pass on every database.
import type { SessionStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe } from 'vitest';
import { describeLife } from './conformance/life.js';
import { describeMerging } from './conformance/merging.js';
import { describeReading } from './conformance/reading.js';
import { describeCatalogs, describeRecording } from './conformance/recording.js';
import { describeSessions, describeStates } from './conformance/sessions.js';
import type { SessionStoreHarness, SuiteContext } from './conformance/suite-context.js';
import { describeWatching } from './conformance/watching.js';

/** Runs the suite; `factory` makes a new, empty database for each test. */
export function describeSessionStore(name: string, factory: () => Promise<SessionStoreHarness>): void {
  describe(`session store: ${name}`, () => {
    let harness: SessionStoreHarness;
    let store: SessionStore;

    beforeEach(async () => {
      harness = await factory();
      store = await harness.open();
    });

    afterEach(async () => {
      await store.close();
      await harness.remove();
    });

    const context: SuiteContext = {
      get store() {
        return store;
      },
      get harness() {
        return harness;
      },
      async reopen() {
        await store.close();
        store = await harness.open();
      },
      factory,
    };
    describeSessions(context);
    describeStates(context);
    describeRecording(context);
    describeMerging(context);
    describeCatalogs(context);
    describeWatching(context);
    describeReading(context);
    describeLife(context);
  });
}
