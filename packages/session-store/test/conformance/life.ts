import { describe, expect, it } from 'vitest';
import { download, session, sessionId } from '../records.js';
import { all, expectCode } from './expectations.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');

export function describeLife(suite: SuiteContext): void {
  describe('life', () => {
    it('answers a ping, again and again', async () => {
      await suite.store.ping();
      await Promise.all([suite.store.ping(), suite.store.ping()]);
    });

    it('refuses everything once closed', async () => {
      await suite.store.createSession(session(id));
      const recorded = suite.store.record([download(id, 'last')]);
      await suite.store.close();
      await recorded;
      await suite.store.close();
      await expectCode(suite.store.ping(), 'STORE_CLOSED');
      await expectCode(suite.store.getSession(id), 'STORE_CLOSED');
      await expectCode(suite.store.record([]), 'STORE_CLOSED');
      await expectCode(all(suite.store.artifacts(id)), 'STORE_CLOSED');
      await suite.reopen();
      expect((await suite.store.counts(id)).artifacts).toBe(1);
    });

    it('may be opened by several at once', async () => {
      const fresh = await suite.factory();
      const stores = await Promise.all(Array.from({ length: 4 }, () => fresh.open()));
      await Promise.all(stores.map((opened, at) => opened.createSession(session(sessionId(`${at}`)))));
      for (const opened of stores) expect((await opened.listSessions(['open'])).length).toBe(4);
      await Promise.all(stores.map((opened) => opened.close()));
      await fresh.remove();
    });
  });
}
