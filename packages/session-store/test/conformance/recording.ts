import type { ExchangeRecord, SessionStore } from '@waybill/contracts';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { catalog, download, moment, refusal, response404, session, sessionId, sha } from '../records.js';
import { all, expectCode } from './expectations.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');
const other = sessionId('other');

export function describeRecording(suite: SuiteContext): void {
  describe('recording', () => {
    beforeEach(async () => {
      await suite.store.createSession(session(id));
      await suite.store.createSession(session(other));
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
      await suite.store.record([refused, approved, bare, redirect, response404(id)]);
      await suite.reopen();
      const stored = await all(suite.store.artifacts(id));
      expect(stored.map((artifact) => artifact.downloads)).toEqual(
        [[refused], [approved]].sort(([a], [b]) => ((a?.metadata.sha256 ?? '') < (b?.metadata.sha256 ?? '') ? -1 : 1)),
      );
      expect(await all(suite.store.refusals(id))).toEqual([refused.refusal, bare]);
      expect(await all(suite.store.responses(id))).toEqual([response404(id), redirect]);
    });

    it('keeps texts of any content', async () => {
      const wild = 'a\u0000b\u{1F4E6}\uD800"\\{},\'\n\t NULL ä';
      const url = `https://registry.example:443/${'x'.repeat(20_000)}`;
      const annotations = { [wild]: wild, '': [] };
      await suite.store.record([
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
      const artifact = await suite.store.artifact(id, sha(wild));
      expect(artifact?.downloads[0]).toMatchObject({
        url,
        userAgent: wild,
        responseHeader: { 'X-Wild': [wild], NULL: ['NULL', ''] },
      });
      expect(artifact?.responseInspection.x?.annotations).toEqual(annotations);
      expect(artifact?.vouchedBy).toEqual([{ kind: 'key', id: wild, name: wild }]);
      expect((await suite.store.catalogs(id, url))[0]).toMatchObject({ name: wild, attributes: { [wild]: wild } });
      expect((await all(suite.store.refusals(id)))[0]).toMatchObject({ reason: wild, url });
      expect((await all(suite.store.responses(id)))[0]).toMatchObject({ note: wild, url });
    });

    it.each(['revoked', 'expired', 'ended'] as const)(
      'takes no answer of a session that is %s, only what became of its transfers',
      async (state) => {
        await suite.store.record([download(id, 'body')]);
        await suite.store.transition(id, state, moment(5));
        for (const records of [
          [download(id, 'body')],
          [refusal(id), download(id, 'body')],
          [download(other, 'body'), download(id, 'body')],
          [download(id, 'body', { result: 'Rejected', refusal: refusal(id) })],
        ]) {
          await expectCode(suite.store.record(records), 'STORE_SESSION_OVER');
        }
        expect((await suite.store.counts(id)).downloads).toBe(1);
        expect((await suite.store.counts(other)).downloads).toBe(0);
        await expectCode(suite.store.record([response404(id)]), 'STORE_SESSION_OVER');
        await suite.store.record([refusal(id), download(other, 'body')]);
        expect((await suite.store.counts(id)).refusals).toBe(1);
        expect((await suite.store.counts(other)).downloads).toBe(1);
        await expectCode(
          suite.store.record([download(sessionId('none'), 'body'), download(id, 'body')]),
          'STORE_SESSION_UNKNOWN',
        );
      },
    );

    it('whoever reads after a move reads all downloads that there will ever be, whichever handle records', async () => {
      const second = await suite.harness.open();
      const acknowledged: string[] = [];
      const answers: Promise<void>[] = [];
      const go = async (handle: SessionStore, name: string) => {
        for (let n = 0; n < 400; n++) {
          const url = `https://registry.example:443/${name}-${n}`;
          const recorded = handle.record([download(id, 'body', { url })]).then(() => void acknowledged.push(url));
          answers.push(recorded);
          const isOver = await recorded.then(
            () => false,
            () => true,
          );
          if (isOver) return;
        }
      };
      const running = [suite.store, second].flatMap((handle, of) =>
        Array.from({ length: 4 }, (_, n) => go(handle, `${of}-${n}`)),
      );
      await vi.waitUntil(() => acknowledged.length > 40, { timeout: 8_000, interval: 1 });
      await second.transition(id, 'revoked', moment(9));
      const read: string[] = [];
      for await (const artifact of suite.store.artifacts(id)) read.push(...artifact.downloads.map(({ url }) => url));
      await Promise.all(running);
      expect(read.sort()).toEqual(acknowledged.sort());
      const failures = (await Promise.allSettled(answers)).filter((answer) => answer.status === 'rejected');
      expect(failures.map(({ reason }) => reason.code)).toEqual(Array(8).fill('STORE_SESSION_OVER'));
      await second.close();
    });

    it('tells what is recorded from now on, whoever records it, each once', async () => {
      const second = await suite.harness.open();
      await suite.store.record([download(id, 'body'), refusal(id)]);
      let { position, records } = await second.recordsSince(id);
      expect(records).toEqual([]);
      const seen: ExchangeRecord[] = [];
      const read = async () => {
        do {
          ({ records, position } = await second.recordsSince(id, position));
          seen.push(...records);
        } while (records.length > 0);
      };
      const first = [download(id, 'body', { url: 'https://registry.example:443/1' }), response404(id)];
      await suite.store.record([...first, download(other, 'body')]);
      await read();
      expect(seen).toEqual(first);
      const many = Array.from({ length: 700 }, (_, n) => refusal(id, { url: `https://registry.example:443/${n}` }));
      await second.record(many);
      await read();
      expect(seen.slice(2)).toEqual(many);
      await read();
      expect(seen).toHaveLength(702);
      expect((await suite.store.recordsSince(sessionId('none'), position)).records).toEqual([]);
      await second.close();
    });

    it('keeps sizes beyond 4 GiB, and milliseconds', async () => {
      const size = 2 ** 45 + 1;
      const given = download(id, 'big', { startedAt: moment(1), endedAt: moment(86_400_001) });
      await suite.store.record([{ ...given, metadata: { ...given.metadata, size } }, refusal(id, { size })]);
      const artifact = await suite.store.artifact(id, sha('big'));
      expect(artifact?.metadata.size).toBe(size);
      expect(artifact?.downloads[0]?.endedAt.getTime()).toBe(moment(86_400_001).getTime());
      expect((await all(suite.store.refusals(id)))[0]?.size).toBe(size);
      expect((await suite.store.counts(id)).bytes).toBe(size);
    });

    it('records all or nothing', async () => {
      const unknown = sessionId('unknown');
      const batch = [download(id, 'first'), refusal(unknown), response404(id)];
      await expectCode(suite.store.record(batch), 'STORE_SESSION_UNKNOWN');
      await expectCode(suite.store.record([download(unknown, 'first')]), 'STORE_SESSION_UNKNOWN');
      expect(await suite.store.counts(id)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
      expect(await all(suite.store.responses(id))).toEqual([]);
      await suite.store.record([]);
    });

    it('keeps what is good when one of many concurrent records is not', async () => {
      const attempts = Array.from({ length: 30 }, (_, at) =>
        suite.store.record([download(at % 3 === 0 ? sessionId('unknown') : id, `body ${at}`)]),
      );
      const results = await Promise.allSettled(attempts);
      expect(results.filter((result) => result.status === 'rejected').length).toBe(10);
      expect((await suite.store.counts(id)).artifacts).toBe(20);
    });

    it('takes records of the same artifacts in any order from many writers', async () => {
      const bodies = Array.from({ length: 40 }, (_, at) => `shared ${at}`);
      const writers = Array.from({ length: 12 }, (_, writer) => {
        const mine = writer % 2 ? bodies : [...bodies].reverse();
        return suite.store.record(mine.map((body) => download(id, body, { startedAt: moment(writer) })));
      });
      await Promise.all(writers);
      expect(await suite.store.counts(id)).toMatchObject({ artifacts: 40, downloads: 480 });
    });

    it('keeps the sessions apart', async () => {
      await suite.store.record([download(id, 'mine'), download(other, 'theirs'), download(other, 'mine')]);
      expect((await all(suite.store.artifacts(id))).map((artifact) => artifact.metadata.name)).toEqual(['mine']);
      expect(await suite.store.artifact(id, sha('theirs'))).toBeUndefined();
    });
  });
}

export function describeCatalogs(suite: SuiteContext): void {
  describe('catalogs', () => {
    beforeEach(() => suite.store.createSession(session(id)));

    it('are trusted once approved, oldest first and once each', async () => {
      const { scope } = catalog('a');
      const offers: [string, Parameters<typeof download>[2]][] = [
        ['first', { provides: [catalog('z'), catalog('y', { scope: 'another' })] }],
        ['second', { provides: [catalog('a', { attributes: { path: 'main/binary-amd64' } })] }],
        ['third', { provides: [catalog('z')] }],
        ['bad', { provides: [catalog('bad')], result: 'Rejected' }],
      ];
      for (const [body, change] of offers) await suite.store.record([download(id, body, change)]);
      const expected = [catalog('z'), catalog('a', { attributes: { path: 'main/binary-amd64' } })];
      expect(await suite.store.catalogs(id, scope)).toEqual(expected);
      await suite.reopen();
      expect(await suite.store.catalogs(id, scope)).toEqual(expected);
      expect(await suite.store.catalogs(id, 'another')).toEqual([catalog('y', { scope: 'another' })]);
      expect(await suite.store.catalogs(id, 'unknown')).toEqual([]);
      expect(await suite.store.catalogs(other, scope)).toEqual([]);
    });

    it('keep the order in which one download brought them', async () => {
      const provides = Array.from({ length: 12 }, (_, at) => catalog(`${11 - at}`));
      await suite.store.record([download(id, 'release', { provides })]);
      expect(await suite.store.catalogs(id, catalog('').scope)).toEqual(provides);
    });

    it('are told apart by their attributes, in whatever order these come', async () => {
      const provides = [
        catalog('a', { attributes: { one: '1', two: '2' } }),
        catalog('a', { attributes: { one: '1', two: '3' } }),
      ];
      await suite.store.record([download(id, 'release', { provides })]);
      await suite.store.record([
        download(id, 'release', { provides: [catalog('a', { attributes: { two: '2', one: '1' } })] }),
      ]);
      expect(await suite.store.catalogs(id, catalog('').scope)).toEqual(provides);
    });
  });
}
