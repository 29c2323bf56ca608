import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionStore } from '@waybill/contracts';
import { describe, expect, it, vi } from 'vitest';
import { download, moment, session, sessionId } from '../records.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');
const other = sessionId('other');

export function describeWatching(suite: SuiteContext): void {
  describe('watching', () => {
    /** What was told, by session. */
    async function watching(watched: SessionStore) {
      const told: string[] = [];
      const stop = await watched.watch((change) => told.push(change.kind === 'session' ? change.id : change.kind));
      const hears = (wanted: string) => vi.waitFor(() => expect(told).toContain(wanted), { timeout: 5_000 });
      return { told, stop, hears };
    }

    it('tells what other handles create, move and delete, and nothing else', async () => {
      const second = await suite.harness.open();
      await second.createSession(session(sessionId('early')));
      const { told, stop, hears } = await watching(suite.store);
      await second.createSession(session(id));
      await hears(id);
      const steps = [
        () => second.transition(id, 'revoked', moment(1)),
        () => second.transition(id, 'revoked', moment(2)),
        () => second.transition(id, 'ended', moment(3)),
        () => second.deleteSession(id),
      ];
      for (const step of steps) {
        told.length = 0;
        await step();
        await hears(id);
      }
      expect(await suite.store.getSession(id)).toBeUndefined();
      told.length = 0;
      await suite.store.createSession(session(sessionId('own')));
      await second.record([download(sessionId('own'), 'body')]);
      await second.createSession(session(other));
      await hears(other);
      expect(told).toEqual([other]);
      await stop();
      await second.transition(other, 'ended', moment(4));
      await second.createSession(session(id));
      await sleep(500);
      expect(told).toEqual([other]);
      await second.close();
    });

    it('tells of thousands of changes, or to read all anew', async () => {
      const second = await suite.harness.open();
      const { told, hears } = await watching(suite.store);
      for (let at = 0; at < 1_500; at += 50) {
        const ids = Array.from({ length: 50 }, (_, n) => sessionId(`many ${at + n}`));
        await Promise.all(ids.map((of) => second.createSession(session(of))));
      }
      await second.createSession(session(id));
      await vi.waitFor(() => expect(told.includes(id) || told.at(-1) === 'resync').toBe(true), { timeout: 5_000 });
      if (!told.includes('resync')) expect(new Set(told).size).toBe(1_501);
      await second.createSession(session(other));
      await hears(other);
      await second.close();
    });
  });
}
