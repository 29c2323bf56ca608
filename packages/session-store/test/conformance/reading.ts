import type { ExchangeRecord } from '@waybill/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { catalog, download, moment, refusal, response404, session, sessionId, sha } from '../records.js';
import { all } from './expectations.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');
const other = sessionId('other');

export function describeReading(suite: SuiteContext): void {
  describe('reading', () => {
    beforeEach(() => suite.store.createSession(session(id)));

    it('sorts artifacts by digest, over many pages', async () => {
      const bodies = Array.from({ length: 1_300 }, (_, at) => `body ${at}`);
      await suite.store.record(
        bodies.flatMap((body, at) => Array.from({ length: 1 + (at % 3) }, () => download(id, body))),
      );
      await suite.store.record(
        Array.from({ length: 2_500 }, (_, at) => download(id, 'popular', { startedAt: moment(at) })),
      );
      const found = await all(suite.store.artifacts(id));
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
      await suite.store.record(records);
      const bytes = (text: string) => Buffer.from(text);
      const inOrder = (pairs: [number, string][]) =>
        [...pairs].sort(([a, x], [b, y]) => a - b || Buffer.compare(bytes(x), bytes(y)));
      const refused = (await all(suite.store.refusals(id))).map((row): [number, string] => [row.at.getTime(), row.url]);
      expect(refused.length).toBe(1_300);
      expect(refused).toEqual(inOrder(refused));
      const answered = (await all(suite.store.responses(id))).map((row): [number, string] => [
        row.startedAt.getTime(),
        row.url,
      ]);
      expect(answered.length).toBe(1_300);
      expect(answered).toEqual(inOrder(answered));
      expect(new Set((await all(suite.store.refusals(id))).map((row) => row.reason)).size).toBe(1_300);
    });

    it('gives the same report for the same traffic, whatever the order of recording', async () => {
      const records = Array.from({ length: 40 }, (_, at) => [
        download(id, `body ${at % 9}`, { startedAt: moment(at % 5), url: `https://x.example:443/${at}` }),
        refusal(id, { at: moment(at % 3), url: `https://x.example:443/${at}` }),
      ]).flat();
      const moved = (of: string) => (record: ExchangeRecord) => ({ ...record, sessionId: of }) as ExchangeRecord;
      await suite.store.createSession(session(other));
      await suite.store.record(records);
      for (const record of [...records].reverse()) await suite.store.record([moved(other)(record)]);
      const strip = (value: unknown) => JSON.stringify(value).replaceAll(other, id);
      expect(strip(await all(suite.store.artifacts(other)))).toBe(strip(await all(suite.store.artifacts(id))));
      expect(strip(await all(suite.store.refusals(other)))).toBe(strip(await all(suite.store.refusals(id))));
    });

    it('names the blobs of a large session', async () => {
      const bodies = Array.from({ length: 4_100 }, (_, at) => `body ${at}`);
      await suite.store.record(bodies.map((body) => download(id, body, { vouchedBy: [] })));
      await suite.store.record(bodies.slice(0, 500).map((body) => refusal(id, { sha256: sha(`refused ${body}`) })));
      const found = await all(suite.store.digests(id));
      expect(found.length).toBe(4_600);
      expect(new Set(found)).toEqual(
        new Set([...bodies.map(sha), ...bodies.slice(0, 500).map((body) => sha(`refused ${body}`))]),
      );
    });

    it('may be stopped in the middle', async () => {
      await suite.store.record(Array.from({ length: 20 }, (_, at) => download(id, `body ${at}`)));
      for await (const artifact of suite.store.artifacts(id)) {
        expect(artifact.downloads.length).toBe(1);
        break;
      }
      expect((await all(suite.store.artifacts(id))).length).toBe(20);
    });

    it('counts', async () => {
      const evil = download(id, 'evil', { result: 'Rejected', delivery: 'withheld', refusal: refusal(id) });
      await suite.store.record([
        download(id, 'four'),
        download(id, 'four'),
        evil,
        refusal(id, { kind: 'failure' }),
        response404(id),
      ]);
      expect(await suite.store.counts(id)).toEqual({ artifacts: 2, downloads: 3, refusals: 2, bytes: 8 });
      expect(await suite.store.counts(other)).toEqual({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 });
    });

    it('tells how much is kept', async () => {
      for (const [at, state] of (['open', 'ended', 'ended', 'expired'] as const).entries()) {
        await suite.store.createSession(session(sessionId(`${at}`), { state }));
      }
      const { sessions, databaseBytes } = await suite.store.usage();
      expect(sessions).toEqual({ open: 2, revoked: 0, ended: 2, expired: 1 });
      await suite.store.record(Array.from({ length: 500 }, (_, at) => download(id, `body ${at}`)));
      expect((await suite.store.usage()).databaseBytes).toBeGreaterThan(databaseBytes + 100_000);
      await suite.store.deleteSession(id);
      expect((await suite.store.usage()).sessions.open).toBe(1);
    });

    it('tells which blobs are still referred to', async () => {
      await suite.store.createSession(session(other));
      await suite.store.record([
        download(id, 'artifact', { provides: [catalog('index')] }),
        download(other, 'artifact'),
        refusal(id, { sha256: sha('refused') }),
        response404(id, { sha256: sha('answered') }),
      ]);
      const kept = ['artifact', 'index', 'packument', 'refused', 'answered'].map(sha);
      expect(new Set(await all(suite.store.digests(id)))).toEqual(new Set(kept));
      expect(new Set(await all(suite.store.digests(other)))).toEqual(new Set(['artifact', 'packument'].map(sha)));
      expect(await all(suite.store.digests(sessionId('unknown')))).toEqual([]);
      const asked = [...kept, ...Array.from({ length: 1_200 }, (_, at) => sha(`absent ${at}`))];
      expect(new Set(await suite.store.referenced(asked))).toEqual(new Set(kept));
      await suite.store.deleteSession(id);
      expect(new Set(await suite.store.referenced(asked))).toEqual(new Set(['artifact', 'packument'].map(sha)));
      expect(await suite.store.referenced([])).toEqual(new Set());
    });
  });
}
