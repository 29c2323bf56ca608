// The tests that the store must pass on every database.
import type { ExchangeRecord, SessionState, SessionStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { catalog, download, moment, refusal, response404, session, sessionId, sha } from './records.js';

/** One database, and how to open it (again). */
export interface SessionStoreHarness {
  open(): Promise<SessionStore>;
  remove(): Promise<void>;
}

/** Runs the suite; `factory` makes a new, empty database for each test. */
export function describeSessionStore(name: string, factory: () => Promise<SessionStoreHarness>): void {
  describe(`session store: ${name}`, () => {
    let harness: SessionStoreHarness;
    let store: SessionStore;
    const id = sessionId('one');
    const other = sessionId('other');

    beforeEach(async () => {
      harness = await factory();
      store = await harness.open();
    });

    afterEach(async () => {
      await store.close();
      await harness.remove();
    });

    async function reopen(): Promise<void> {
      await store.close();
      store = await harness.open();
    }

    describe('sessions', () => {
      it('keeps a session as it was given, also after reopening', async () => {
        const given = session(id);
        await store.createSession(given);
        expect(await store.getSession(id)).toEqual(given);
        await reopen();
        expect(await store.getSession(id)).toEqual(given);
        expect(Object.keys((await store.getSession(id))?.configuration ?? {})).toEqual(['npm', 'z', 'a']);
        expect(await store.getSession(other)).toBeUndefined();
      });

      it('refuses a second session of the same id and keeps the first', async () => {
        await store.createSession(session(id));
        await expectCode(store.createSession(session(id, { policy: 'permissive' })), 'STORE_SESSION_EXISTS');
        expect((await store.getSession(id))?.policy).toBe('strict');
      });

      it('lets exactly one of many racers create a session', async () => {
        const attempts = Array.from({ length: 10 }, () => store.createSession(session(id)));
        const made = (await Promise.allSettled(attempts)).filter((attempt) => attempt.status === 'fulfilled');
        expect(made.length).toBe(1);
      });

      it('lists sessions by state, oldest first', async () => {
        const states: SessionState[] = ['open', 'revoked', 'expired', 'ended', 'open'];
        for (const [at, state] of states.entries()) {
          await store.createSession(session(sessionId(`${at}`), { state, createdAt: moment(-at) }));
        }
        const found = await store.listSessions(['open', 'expired']);
        expect(found.map((entry) => entry.id)).toEqual(['4', '2', '0'].map(sessionId));
        expect(await store.listSessions([])).toEqual([]);
      });

      it('deletes a session with everything that was recorded, and nothing of others', async () => {
        for (const of of [id, other]) {
          await store.createSession(session(of));
          await store.record([
            download(of, 'left-pad', { provides: [catalog('index')], refusal: refusal(of) }),
            response404(of),
            refusal(of),
          ]);
        }
        await store.deleteSession(id);
        await store.deleteSession(id);
        expect(await store.getSession(id)).toBeUndefined();
        expect(await store.counts(id)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
        expect(await all(store.artifacts(id))).toEqual([]);
        expect(await all(store.refusals(id))).toEqual([]);
        expect(await all(store.responses(id))).toEqual([]);
        expect(await store.catalogs(id, catalog('index').scope)).toEqual([]);
        expect(await store.counts(other)).toEqual({ artifacts: 1, downloads: 1, refusals: 2, bytes: 8 });
        await store.createSession(session(id));
        expect(await all(store.artifacts(id))).toEqual([]);
      });
    });

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
        await store.createSession(given);
        const moved = await store.transition(id, to, moment(20));
        expect(moved).toEqual({ ...given, state, endedAt: moment(end) });
        expect(await store.getSession(id)).toEqual(moved);
      });

      it('knows nothing of unknown sessions', async () => {
        for (const to of later) expect(await store.transition(id, to, moment())).toBeUndefined();
      });

      it('lets one of two racing ends win, and both see it', async () => {
        for (let round = 0; round < 20; round++) {
          const racing = sessionId(`race ${round}`);
          await store.createSession(session(racing));
          const [expired, ended] = await Promise.all([
            store.transition(racing, 'expired', moment(1)),
            store.transition(racing, 'ended', moment(2)),
          ]);
          const final = await store.getSession(racing);
          expect(['expired', 'ended']).toContain(final?.state);
          expect(expired).toEqual(final);
          expect(ended).toEqual(final);
        }
      });
    });

    describe('recording', () => {
      beforeEach(async () => {
        await store.createSession(session(id));
        await store.createSession(session(other));
      });

      it('gives back every kind of record as it was', async () => {
        const refused = download(id, 'evil', {
          result: 'Rejected',
          delivery: 'withheld',
          vouchedBy: [],
          refusal: refusal(id, { phase: 'artifact', sha256: sha('evil'), size: 4 }),
        });
        const approved = download(id, 'left-pad', { responseTrailer: { Digest: ['x'] }, provides: [catalog('index')] });
        const bare = refusal(id, { kind: 'failure', hint: undefined, inspector: undefined, at: moment(9) });
        const redirect = response404(id, {
          result: undefined,
          sha256: undefined,
          size: undefined,
          responseTrailer: undefined,
          startedAt: moment(5),
        });
        await store.record([refused, approved, bare, redirect, response404(id)]);
        await reopen();
        const stored = await all(store.artifacts(id));
        expect(stored.map((artifact) => artifact.downloads)).toEqual(
          [[refused], [approved]].sort(([a], [b]) =>
            (a?.metadata.sha256 ?? '') < (b?.metadata.sha256 ?? '') ? -1 : 1,
          ),
        );
        expect(await all(store.refusals(id))).toEqual([refused.refusal, bare]);
        expect(await all(store.responses(id))).toEqual([response404(id), redirect]);
      });

      it('keeps texts of any content', async () => {
        const wild = 'a\u0000b\u{1F4E6}\uD800"\\{},\'\n\t NULL ä';
        const kept = wild.replace('\u0000', '\uFFFD').replace('\uD800', '\uFFFD');
        const url = `https://registry.example:443/${'x'.repeat(20_000)}`;
        const annotations = { [wild]: wild, '': [] };
        await store.record([
          download(id, wild, {
            url,
            userAgent: wild,
            responseHeader: { 'X-Wild': [wild], NULL: ['NULL', ''] },
            responseInspection: { x: { opinion: 'Approved', reason: wild, annotations } },
            vouchedBy: [{ kind: 'key', id: wild, name: wild }],
            provides: [catalog(wild, { scope: url, attributes: { [wild]: wild } })],
          }),
          refusal(id, { reason: wild, url }),
          response404(id, { note: wild, url }),
        ]);
        const artifact = await store.artifact(id, sha(wild));
        expect(artifact?.downloads[0]).toMatchObject({
          url,
          userAgent: kept,
          responseHeader: { 'X-Wild': [wild], NULL: ['NULL', ''] },
        });
        expect(artifact?.responseInspection.x?.annotations).toEqual(annotations);
        expect(artifact?.vouchedBy).toEqual([{ kind: 'key', id: kept, name: kept }]);
        expect((await store.catalogs(id, url))[0]).toMatchObject({ name: kept, attributes: { [wild]: wild } });
        expect((await all(store.refusals(id)))[0]).toMatchObject({ reason: kept, url });
        expect((await all(store.responses(id)))[0]).toMatchObject({ note: kept, url });
      });

      it('keeps sizes beyond 4 GiB, and milliseconds', async () => {
        const size = 2 ** 45 + 1;
        const given = download(id, 'big', { startedAt: moment(1), endedAt: moment(86_400_001) });
        await store.record([{ ...given, metadata: { ...given.metadata, size } }, refusal(id, { size })]);
        const artifact = await store.artifact(id, sha('big'));
        expect(artifact?.metadata.size).toBe(size);
        expect(artifact?.downloads[0]?.endedAt.getTime()).toBe(moment(86_400_001).getTime());
        expect((await all(store.refusals(id)))[0]?.size).toBe(size);
        expect((await store.counts(id)).bytes).toBe(size);
      });

      it('records all or nothing', async () => {
        const unknown = sessionId('unknown');
        const batch = [download(id, 'first'), refusal(unknown), response404(id)];
        await expectCode(store.record(batch), 'STORE_SESSION_UNKNOWN');
        await expectCode(store.record([download(unknown, 'first')]), 'STORE_SESSION_UNKNOWN');
        expect(await store.counts(id)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
        expect(await all(store.responses(id))).toEqual([]);
        await store.record([]);
      });

      it('keeps what is good when one of many concurrent records is not', async () => {
        const attempts = Array.from({ length: 30 }, (_, at) =>
          store.record([download(at % 3 === 0 ? sessionId('unknown') : id, `body ${at}`)]),
        );
        const results = await Promise.allSettled(attempts);
        expect(results.filter((result) => result.status === 'rejected').length).toBe(10);
        expect((await store.counts(id)).artifacts).toBe(20);
      });

      it('takes records of the same artifacts in any order from many writers', async () => {
        const bodies = Array.from({ length: 40 }, (_, at) => `shared ${at}`);
        const writers = Array.from({ length: 12 }, (_, writer) => {
          const mine = writer % 2 ? bodies : [...bodies].reverse();
          return store.record(mine.map((body) => download(id, body, { startedAt: moment(writer) })));
        });
        await Promise.all(writers);
        expect(await store.counts(id)).toMatchObject({ artifacts: 40, downloads: 480 });
      });

      it('keeps the sessions apart', async () => {
        await store.record([download(id, 'mine'), download(other, 'theirs'), download(other, 'mine')]);
        expect((await all(store.artifacts(id))).map((artifact) => artifact.metadata.name)).toEqual(['mine']);
        expect(await store.artifact(id, sha('theirs'))).toBeUndefined();
      });
    });

    describe('merging', () => {
      const rejected = {
        result: 'Rejected',
        delivery: 'withheld',
        vouchedBy: [],
        responseInspection: { 'npm.tarball': { opinion: 'Rejected', reason: 'not listed' } },
      } as const;
      const delivered = { ...rejected, delivery: 'held' } as const;
      const at = (ms: number) => ({ startedAt: moment(ms), endedAt: moment(ms + 1) });
      const named = (name: string) => ({ responseInspection: { x: { opinion: 'Approved' as const, reason: name } } });
      /** [what happened, result, reason that speaks]. */
      const cases: [string, Parameters<typeof download>[2][], string, string][] = [
        ['approved', [{ ...at(1), ...named('first') }], 'Approved', 'first'],
        ['rejected', [{ ...at(1), ...rejected }], 'Rejected', 'not listed'],
        [
          'rejected, then approved',
          [
            { ...at(1), ...rejected },
            { ...at(2), ...named('second') },
          ],
          'Approved',
          'second',
        ],
        [
          'approved, then rejected and withheld',
          [
            { ...at(1), ...named('first') },
            { ...at(2), ...rejected },
          ],
          'Approved',
          'first',
        ],
        [
          'approved, then rejected but delivered',
          [
            { ...at(1), ...named('first') },
            { ...at(2), ...delivered },
          ],
          'Rejected',
          'first',
        ],
        [
          'rejected but delivered, then approved',
          [
            { ...at(1), ...delivered },
            { ...at(2), ...named('second') },
          ],
          'Rejected',
          'second',
        ],
        [
          'approved twice',
          [
            { ...at(1), ...named('first') },
            { ...at(2), ...named('second') },
          ],
          'Approved',
          'second',
        ],
        [
          'recorded later, begun earlier',
          [
            { ...at(5), ...named('begun later') },
            { ...at(1), ...named('begun earlier') },
          ],
          'Approved',
          'begun later',
        ],
        [
          'rejected with headers sent early, but the body withheld',
          [
            { ...at(1), ...named('first') },
            { ...at(2), ...rejected, delivery: 'early-headers', refusal: refusal(id, { phase: 'artifact' }) },
          ],
          'Approved',
          'first',
        ],
        [
          'rejected in a permissive session, which says so',
          [
            { ...at(1), ...named('first') },
            { ...at(2), ...rejected, delivery: 'held', refusal: refusal(id, { delivered: true }) },
          ],
          'Rejected',
          'first',
        ],
      ];

      it.each(cases)('%s', async (_, changes, result, reason) => {
        await store.createSession(session(id));
        for (const change of changes) await store.record([download(id, 'body', change)]);
        const artifact = await store.artifact(id, sha('body'));
        expect(artifact?.result).toBe(result);
        expect(Object.values(artifact?.responseInspection ?? {})[0]?.reason).toBe(reason);
        expect(artifact?.downloads.length).toBe(changes.length);
        const times = artifact?.downloads.map((entry) => entry.startedAt.getTime()) ?? [];
        expect(times).toEqual([...times].sort((a, b) => a - b));
        expect(await all(store.artifacts(id))).toEqual([artifact]);
        expect(await store.counts(id)).toMatchObject({ artifacts: 1, downloads: changes.length, bytes: 4 });
      });
    });

    describe('catalogs', () => {
      beforeEach(() => store.createSession(session(id)));

      it('are trusted once approved, oldest first and once each', async () => {
        const { scope } = catalog('a');
        const offers: [string, Parameters<typeof download>[2]][] = [
          ['first', { provides: [catalog('z'), catalog('y', { scope: 'another' })] }],
          ['second', { provides: [catalog('a', { attributes: { path: 'main/binary-amd64' } })] }],
          ['third', { provides: [catalog('z')] }],
          ['bad', { provides: [catalog('bad')], result: 'Rejected' }],
        ];
        for (const [body, change] of offers) await store.record([download(id, body, change)]);
        const expected = [catalog('z'), catalog('a', { attributes: { path: 'main/binary-amd64' } })];
        expect(await store.catalogs(id, scope)).toEqual(expected);
        await reopen();
        expect(await store.catalogs(id, scope)).toEqual(expected);
        expect(await store.catalogs(id, 'another')).toEqual([catalog('y', { scope: 'another' })]);
        expect(await store.catalogs(id, 'unknown')).toEqual([]);
        expect(await store.catalogs(other, scope)).toEqual([]);
      });

      it('keep the order in which one download brought them', async () => {
        const provides = Array.from({ length: 12 }, (_, at) => catalog(`${11 - at}`));
        await store.record([download(id, 'release', { provides })]);
        expect(await store.catalogs(id, catalog('').scope)).toEqual(provides);
      });

      it('are told apart by their attributes, in whatever order these come', async () => {
        const provides = [
          catalog('a', { attributes: { one: '1', two: '2' } }),
          catalog('a', { attributes: { one: '1', two: '3' } }),
        ];
        await store.record([download(id, 'release', { provides })]);
        await store.record([
          download(id, 'release', { provides: [catalog('a', { attributes: { two: '2', one: '1' } })] }),
        ]);
        expect(await store.catalogs(id, catalog('').scope)).toEqual(provides);
      });
    });

    describe('reading', () => {
      beforeEach(() => store.createSession(session(id)));

      it('sorts artifacts by digest, over many pages', async () => {
        const bodies = Array.from({ length: 1_300 }, (_, at) => `body ${at}`);
        await store.record(
          bodies.flatMap((body, at) => Array.from({ length: 1 + (at % 3) }, () => download(id, body))),
        );
        await store.record(
          Array.from({ length: 2_500 }, (_, at) => download(id, 'popular', { startedAt: moment(at) })),
        );
        const found = await all(store.artifacts(id));
        expect(found.map((artifact) => artifact.metadata.sha256)).toEqual([...bodies, 'popular'].map(sha).sort());
        const popular = found.find((artifact) => artifact.metadata.name === 'popular');
        expect(popular?.downloads.map((entry) => entry.startedAt)).toEqual(
          Array.from({ length: 2_500 }, (_, at) => moment(at)),
        );
      });

      it('sorts refusals and responses by time, then URL, over many pages', async () => {
        const urls = ['b', 'a', 'ä', 'B', '-', '_', '\u{1F4E6}', '\uFF5E'];
        const records: ExchangeRecord[] = [];
        for (let at = 0; at < 1_300; at++) {
          const change = { url: `https://x.example:443/${urls[at % urls.length]}`, reason: `${at}`, note: `${at}` };
          const time = moment(at % 7);
          records.push(refusal(id, { ...change, at: time }), response404(id, { ...change, startedAt: time }));
        }
        await store.record(records);
        const bytes = (text: string) => Buffer.from(text);
        const inOrder = (pairs: [number, string][]) =>
          [...pairs].sort(([a, x], [b, y]) => a - b || Buffer.compare(bytes(x), bytes(y)));
        const refused = (await all(store.refusals(id))).map((row): [number, string] => [row.at.getTime(), row.url]);
        expect(refused.length).toBe(1_300);
        expect(refused).toEqual(inOrder(refused));
        const answered = (await all(store.responses(id))).map((row): [number, string] => [
          row.startedAt.getTime(),
          row.url,
        ]);
        expect(answered.length).toBe(1_300);
        expect(answered).toEqual(inOrder(answered));
        expect(new Set((await all(store.refusals(id))).map((row) => row.reason)).size).toBe(1_300);
      });

      it('gives the same report for the same traffic, whatever the order of recording', async () => {
        const records = Array.from({ length: 40 }, (_, at) => [
          download(id, `body ${at % 9}`, { startedAt: moment(at % 5), url: `https://x.example:443/${at}` }),
          refusal(id, { at: moment(at % 3), url: `https://x.example:443/${at}` }),
        ]).flat();
        const moved = (of: string) => (record: ExchangeRecord) => ({ ...record, sessionId: of }) as ExchangeRecord;
        await store.createSession(session(other));
        await store.record(records);
        for (const record of [...records].reverse()) await store.record([moved(other)(record)]);
        const strip = (value: unknown) => JSON.stringify(value).replaceAll(other, id);
        expect(strip(await all(store.artifacts(other)))).toBe(strip(await all(store.artifacts(id))));
        expect(strip(await all(store.refusals(other)))).toBe(strip(await all(store.refusals(id))));
      });

      it('may be stopped in the middle', async () => {
        await store.record(Array.from({ length: 20 }, (_, at) => download(id, `body ${at}`)));
        for await (const artifact of store.artifacts(id)) {
          expect(artifact.downloads.length).toBe(1);
          break;
        }
        expect((await all(store.artifacts(id))).length).toBe(20);
      });

      it('counts', async () => {
        const evil = download(id, 'evil', { result: 'Rejected', delivery: 'withheld', refusal: refusal(id) });
        await store.record([
          download(id, 'four'),
          download(id, 'four'),
          evil,
          refusal(id, { kind: 'failure' }),
          response404(id),
        ]);
        expect(await store.counts(id)).toEqual({ artifacts: 2, downloads: 3, refusals: 2, bytes: 8 });
        expect(await store.counts(other)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
      });

      it('tells which blobs are still referred to', async () => {
        await store.createSession(session(other));
        await store.record([
          download(id, 'artifact', { provides: [catalog('index')] }),
          download(other, 'artifact'),
          refusal(id, { sha256: sha('refused') }),
          response404(id, { sha256: sha('answered') }),
        ]);
        const kept = ['artifact', 'index', 'packument', 'refused', 'answered'].map(sha);
        const asked = [...kept, ...Array.from({ length: 1_200 }, (_, at) => sha(`absent ${at}`))];
        expect(new Set(await store.referenced(asked))).toEqual(new Set(kept));
        await store.deleteSession(id);
        expect(new Set(await store.referenced(asked))).toEqual(new Set(['artifact', 'packument'].map(sha)));
        expect(await store.referenced([])).toEqual(new Set());
      });
    });

    describe('life', () => {
      it('answers a ping, again and again', async () => {
        await store.ping();
        await Promise.all([store.ping(), store.ping()]);
      });

      it('refuses everything once closed', async () => {
        await store.createSession(session(id));
        const recorded = store.record([download(id, 'last')]);
        await store.close();
        await recorded;
        await store.close();
        await expectCode(store.ping(), 'STORE_CLOSED');
        await expectCode(store.getSession(id), 'STORE_CLOSED');
        await expectCode(store.record([]), 'STORE_CLOSED');
        await expectCode(all(store.artifacts(id)), 'STORE_CLOSED');
        store = await harness.open();
        expect((await store.counts(id)).artifacts).toBe(1);
      });

      it('may be opened by several at once', async () => {
        const fresh = await factory();
        const stores = await Promise.all(Array.from({ length: 4 }, () => fresh.open()));
        await Promise.all(stores.map((opened, at) => opened.createSession(session(sessionId(`${at}`)))));
        for (const opened of stores) expect((await opened.listSessions(['open'])).length).toBe(4);
        await Promise.all(stores.map((opened) => opened.close()));
        await fresh.remove();
      });
    });
  });
}

export async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

export async function expectCode(attempt: Promise<unknown>, code: string): Promise<void> {
  await expect(attempt).rejects.toThrow(expect.objectContaining({ code }));
}
