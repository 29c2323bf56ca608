// Sessions that share a configuration, on every database.
import { randomBytes } from 'node:crypto';
import type { JsonObject, SessionStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionStoreHarness } from './conformance/suite-context.js';
import { moment, session, sessionId } from './records.js';

/** Runs the suite; `factory` makes a new, empty database for each test. */
export function describeConfigurations(name: string, factory: () => Promise<SessionStoreHarness>): void {
  describe(`configurations: ${name}`, () => {
    let harness: SessionStoreHarness;
    let store: SessionStore;
    let second: SessionStore;

    beforeEach(async () => {
      harness = await factory();
      store = await harness.open();
      second = await harness.open();
    });

    afterEach(async () => {
      await store.close();
      await second.close();
      await harness.remove();
    });

    const pins = (count: number): JsonObject => ({
      files: Array.from({ length: count }, (_, n) => ({
        url: `https://files.example/${n}`,
        sha256: randomBytes(32).toString('hex'),
      })),
    });

    it('equal ones are kept once, and are one object for who reads them', async () => {
      const configuration = pins(2_000);
      const size = JSON.stringify(configuration).length;
      await store.createSession(session(sessionId('0'), { configuration }));
      const before = (await store.usage()).databaseBytes;
      for (let n = 1; n <= 20; n++) {
        const handle = n % 2 === 0 ? store : second;
        await handle.createSession(session(sessionId(`${n}`), { configuration: structuredClone(configuration) }));
      }
      expect((await store.usage()).databaseBytes - before).toBeLessThan(size);
      const read = await Promise.all([1, 2, 3].map((n) => second.getSession(sessionId(`${n}`))));
      expect(read[0]?.configuration).toEqual(configuration);
      for (const record of read) expect(record?.configuration).toBe(read[0]?.configuration);
      const [listed] = await store.listSessions(['open']);
      expect(listed).not.toHaveProperty('configuration');
      expect((await store.transition(sessionId('1'), 'ended', moment(1)))?.session).not.toHaveProperty('configuration');
    });

    it('what differs is kept apart, the order of keys too', async () => {
      const given: JsonObject[] = [{}, { a: 1, b: 2 }, { b: 2, a: 1 }, { a: '1', b: 2 }];
      for (const [n, configuration] of given.entries())
        await store.createSession(session(sessionId(`${n}`), { configuration }));
      for (const [n, configuration] of given.entries()) {
        expect(JSON.stringify((await second.getSession(sessionId(`${n}`)))?.configuration)).toBe(
          JSON.stringify(configuration),
        );
      }
    });

    it('one goes with its last session, and can be used again', async () => {
      const configuration = pins(20_000);
      const [one, two] = [sessionId('one'), sessionId('two')];
      const empty = (await store.usage()).databaseBytes;
      for (let round = 0; round < 3; round++) {
        await store.createSession(session(one, { configuration }));
        await second.createSession(session(two, { configuration }));
        await second.deleteSession(one);
        expect((await store.getSession(two))?.configuration).toEqual(configuration);
        // Removed by the other handle: this one believes that it is still there.
        await second.deleteSession(two);
      }
      const left = (await store.usage()).databaseBytes - empty;
      if (name === 'SQLite') expect(left).toBeLessThan(200_000);
      await store.createSession(session(one, { configuration }));
      expect((await second.getSession(one))?.configuration).toEqual(configuration);
    });

    it('sessions that come and go together never lack theirs', async () => {
      const configuration = pins(10);
      const go = async (handle: SessionStore, name: string) => {
        for (let n = 0; n < 30; n++) {
          const id = sessionId(`${name} ${n}`);
          await handle.createSession(session(id, { configuration }));
          expect((await handle.getSession(id))?.configuration).toEqual(configuration);
          await handle.deleteSession(id);
        }
      };
      await Promise.all([go(store, 'a'), go(second, 'b'), go(store, 'c'), go(second, 'd')]);
    });
  });
}
