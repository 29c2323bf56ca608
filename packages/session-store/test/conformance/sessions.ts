import type { SessionState } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { catalog, download, moment, refusal, response404, session, sessionId, sha } from '../records.js';
import { all, expectCode } from './expectations.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');
const other = sessionId('other');

export function describeSessions(suite: SuiteContext): void {
  describe('sessions', () => {
    it('keeps a session as it was given, also after reopening', async () => {
      const given = session(id, { sealedSecrets: 'AbCd-_'.repeat(500) });
      await suite.store.createSession(given);
      expect(await suite.store.getSession(id)).toEqual(given);
      await suite.reopen();
      expect(await suite.store.getSession(id)).toEqual(given);
      expect(Object.keys((await suite.store.getSession(id))?.configuration ?? {})).toEqual(['npm', 'z', 'a']);
      expect(await suite.store.getSession(other)).toBeUndefined();
    });

    it('refuses a second session of the same id and keeps the first', async () => {
      await suite.store.createSession(session(id));
      await expectCode(suite.store.createSession(session(id, { policy: 'permissive' })), 'STORE_SESSION_EXISTS');
      expect((await suite.store.getSession(id))?.policy).toBe('strict');
    });

    it('lets exactly one of many racers create a session', async () => {
      const attempts = Array.from({ length: 10 }, () => suite.store.createSession(session(id)));
      const made = (await Promise.allSettled(attempts)).filter((attempt) => attempt.status === 'fulfilled');
      expect(made.length).toBe(1);
    });

    it('lists sessions by state, oldest first', async () => {
      const states: SessionState[] = ['open', 'revoked', 'expired', 'ended', 'open'];
      for (const [at, state] of states.entries()) {
        await suite.store.createSession(session(sessionId(`${at}`), { state, createdAt: moment(-at) }));
      }
      const found = await suite.store.listSessions(['open', 'expired']);
      expect(found.map((entry) => entry.id)).toEqual(['4', '2', '0'].map(sessionId));
      expect(await suite.store.listSessions([])).toEqual([]);
    });

    it('lists sessions that ended before a moment', async () => {
      for (const at of [1, 2, 3]) {
        await suite.store.createSession(session(sessionId(`${at}`), { state: 'ended', endedAt: moment(at) }));
      }
      await suite.store.createSession(session(id));
      const found = await suite.store.listSessions(['open', 'ended'], { endedBefore: moment(3) });
      expect(new Set(found.map((entry) => entry.id))).toEqual(new Set(['1', '2'].map(sessionId)));
    });

    it('deletes a session with thousands of records, and lets others in between', async () => {
      for (const of of [id, other]) await suite.store.createSession(session(of));
      const records = Array.from({ length: 3_000 }, (_, at) => [
        download(id, `body ${at}`, { provides: [catalog(`index ${at}`)] }),
        refusal(id),
        response404(id),
      ]);
      await suite.store.record(records.flat());
      const order: string[] = [];
      const deleted = suite.store.deleteSession(id).then(() => order.push('deleted'));
      await suite.store.record([download(other, 'meanwhile')]);
      order.push('recorded');
      await deleted;
      expect(order).toEqual(['recorded', 'deleted']);
      expect(await suite.store.counts(id)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
      await expectCode(suite.store.record([refusal(id)]), 'STORE_SESSION_UNKNOWN');
      expect((await suite.store.counts(other)).downloads).toBe(1);
    });

    it('deletes a session with everything that was recorded, and nothing of others', async () => {
      for (const of of [id, other]) {
        await suite.store.createSession(session(of));
        await suite.store.record([
          download(of, 'left-pad', { provides: [catalog('index')], refusal: refusal(of) }),
          response404(of),
          refusal(of),
        ]);
      }
      await suite.store.deleteSession(id);
      await suite.store.deleteSession(id);
      expect(await suite.store.getSession(id)).toBeUndefined();
      expect(await suite.store.counts(id)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
      expect(await all(suite.store.artifacts(id))).toEqual([]);
      expect(await all(suite.store.refusals(id))).toEqual([]);
      expect(await all(suite.store.responses(id))).toEqual([]);
      expect(await suite.store.catalogs(id, catalog('index').scope)).toEqual([]);
      expect(await suite.store.counts(other)).toEqual({ artifacts: 1, downloads: 1, refusals: 2, bytes: 8 });
      await suite.store.createSession(session(id));
      expect(await all(suite.store.artifacts(id))).toEqual([]);
    });

    it('keeps no record of a session that is deleted while many record, and every one of others', async () => {
      const second = await suite.harness.open();
      for (let round = 0; round < 5; round++) {
        await suite.store.createSession(session(id));
        const attempts = [suite.store, second].flatMap((handle, of) =>
          Array.from({ length: 20 }, (_, at) => handle.record([download(id, `${round} ${of} ${at}`)])),
        );
        const settled = Promise.allSettled(attempts);
        await attempts[0];
        await second.deleteSession(id);
        const late = suite.store.record([download(id, 'late')]);
        await expectCode(late, 'STORE_SESSION_UNKNOWN');
        for (const attempt of await settled) {
          if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'STORE_SESSION_UNKNOWN' });
        }
        const names = [suite.store, second].flatMap((_, of) =>
          Array.from({ length: 20 }, (__, at) => sha(`${round} ${of} ${at}`)),
        );
        expect(await suite.store.referenced(names)).toEqual(new Set());
      }
      await second.close();
    });
  });
}

export function describeStates(suite: SuiteContext): void {
  describe('states', () => {
    const later: Exclude<SessionState, 'open'>[] = ['revoked', 'expired', 'ended'];
    /** [from, to, resulting state, endedAt in ms after the start: 10 is the first end, 20 this move]. */
    const moves: [SessionState, Exclude<SessionState, 'open'>, SessionState, number][] = [
      ['open', 'revoked', 'revoked', 20],
      ['open', 'expired', 'expired', 20],
      ['open', 'ended', 'ended', 20],
      ['revoked', 'revoked', 'revoked', 20],
      ['revoked', 'expired', 'expired', 10],
      ['revoked', 'ended', 'ended', 10],
      ['expired', 'revoked', 'expired', 10],
      ['expired', 'expired', 'expired', 10],
      ['expired', 'ended', 'expired', 10],
      ['ended', 'revoked', 'ended', 10],
      ['ended', 'expired', 'ended', 10],
      ['ended', 'ended', 'ended', 10],
    ];

    it.each(moves)('%s, asked to be %s: %s', async (from, to, state, end) => {
      const given = session(id, from === 'open' ? {} : { state: from, endedAt: moment(10) });
      await suite.store.createSession(given);
      const moved = await suite.store.transition(id, to, moment(20));
      const isMoved = from === 'open' || (from === 'revoked' && to !== 'revoked');
      const { configuration, ...summary } = given;
      expect(moved).toEqual({ session: { ...summary, state, endedAt: moment(end) }, isMoved });
      expect(await suite.store.getSession(id)).toEqual({ ...moved?.session, configuration });
    });

    it('knows nothing of unknown sessions', async () => {
      for (const to of later) expect(await suite.store.transition(id, to, moment())).toBeUndefined();
    });

    it('lets one of many racers move it, over several handles, and all see it', async () => {
      const second = await suite.harness.open();
      for (let round = 0; round < 20; round++) {
        const racing = sessionId(`race ${round}`);
        await suite.store.createSession(session(racing));
        const moves = await Promise.all([
          suite.store.transition(racing, 'expired', moment(1)),
          second.transition(racing, 'ended', moment(2)),
          second.transition(racing, 'expired', moment(3)),
          suite.store.transition(racing, 'ended', moment(4)),
        ]);
        const final = await suite.store.getSession(racing);
        expect(['expired', 'ended']).toContain(final?.state);
        for (const move of moves) expect(final).toMatchObject({ ...move?.session });
        expect(moves.filter((move) => move?.isMoved).length).toBe(1);
      }
      await second.close();
    });
  });
}
