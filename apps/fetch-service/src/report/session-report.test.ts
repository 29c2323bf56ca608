import { type SessionRecord, sessionReportSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { download, indexLink, memoryStore, refusal, sha } from '../../test/fakes.js';
import { reportArtifacts, sessionReportText } from './session-report.js';

const session: SessionRecord = {
  id: 'a'.repeat(32),
  tokenDigest: sha('0'),
  policy: 'strict',
  state: 'revoked',
  createdAt: new Date('2026-01-02T03:00:00Z'),
  expiresAt: new Date('2026-01-02T09:00:00Z'),
  endedAt: new Date('2026-01-02T03:10:00Z'),
  configuration: {},
  secretPatterns: [],
};

async function reportOf(store = memoryStore(), changed: Partial<SessionRecord> = {}) {
  const source = {
    session: { ...session, ...changed },
    store,
    inspectorIds: ['npm.tarball', 'default'],
    spoolPath: '/spool/a',
    now: new Date(),
  };
  const pieces: string[] = [];
  for await (const piece of sessionReportText(source)) pieces.push(piece);
  return { text: pieces.join(''), pieces };
}

describe('sessionReportText', () => {
  it('is valid JSON of the contract, also when nothing happened', async () => {
    const { text } = await reportOf();
    expect(sessionReportSchema.strict().parse(JSON.parse(text))).toEqual({
      generator: expect.stringMatching(/^Waybill fetch-service \d/),
      comment: expect.any(String),
      'session-id': session.id,
      'start-time': '2026-01-02T03:00:00.000Z',
      'end-time': '2026-01-02T03:10:00.000Z',
      inspectors: ['npm.tarball', 'default'],
      'spool-path': '/spool/a',
      policy: 'strict',
      state: 'revoked',
      artifacts: [],
      refusals: [],
      failures: [],
      responses: [],
    });
  });

  it('lists artifacts, refusals, failures and responses apart, without HTML escaping and empty keys', async () => {
    const store = memoryStore();
    const {
      metadata: _,
      responseInspection: __,
      vouchedBy: ___,
      provides: ____,
      ...exchange
    } = download(session.id, sha('b'));
    await store.record([
      download(session.id, sha('b')),
      download(session.id, sha('a')),
      refusal(session.id),
      refusal(session.id, { kind: 'failure', phase: 'upstream', reason: 'broken off' }),
      { ...exchange, kind: 'response', note: 'no body', delivery: 'none' },
      download('f'.repeat(32), sha('c')),
    ]);
    const { text } = await reportOf(store);
    const report = sessionReportSchema.parse(JSON.parse(text));
    expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha('a'), sha('b')]);
    expect(report.artifacts[0]?.metadata).not.toHaveProperty('architecture');
    expect(report.artifacts[0]?.['response-inspection']).toEqual({
      'npm.tarball': { opinion: 'Approved', reason: 'as vouched' },
    });
    expect(report.artifacts[0]?.downloads[0]).toMatchObject({
      'start-time': '2026-01-02T03:04:05.678Z',
      result: 'Approved',
      delivery: 'held',
    });
    expect(report.refusals.map(({ reason }) => reason)).toEqual(['no inspector recognises the request']);
    expect(report.failures.map(({ reason }) => reason)).toEqual(['broken off']);
    expect(report.responses.map(({ note }) => note)).toEqual(['no body']);
    expect(text).toContain('/<script>&');
  });

  it('stays as it was when a revoked session runs out of time', async () => {
    const { text } = await reportOf();
    expect((await reportOf(memoryStore(), { state: 'expired' })).text).toBe(text);
  });

  it.each(['open', 'revoked', 'expired', 'ended'] as const)('tells that the session is %s', async (state) => {
    const endedAt = state === 'expired' ? session.expiresAt : session.endedAt;
    const { text } = await reportOf(memoryStore(), { state, endedAt });
    expect(JSON.parse(text)).toMatchObject({ state, 'end-time': endedAt?.toISOString() });
  });

  it('comes in pieces that do not grow with the session', async () => {
    const store = memoryStore();
    for (let n = 0; n < 2000; n++) await store.record([download(session.id, n.toString(16).padStart(64, '0'))]);
    const { pieces, text } = await reportOf(store);
    expect(JSON.parse(text).artifacts).toHaveLength(2000);
    expect(pieces.length).toBeGreaterThan(20);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(40_000);
  });
});

describe('vouching chains', () => {
  const chainsOf = async (store: ReturnType<typeof memoryStore>, sha256: string) => {
    for await (const artifact of reportArtifacts({ store, session })) {
      if (artifact.metadata.sha256 === sha256)
        return artifact['vouched-by'].map((chain) => chain.map(({ name }) => name).join(' < '));
    }
    return undefined;
  };

  it('follow a deb to the keys of its release', async () => {
    const store = memoryStore();
    await store.record([
      download(session.id, sha('d'), { vouchedBy: [indexLink(sha('c'), 'Packages')] }),
      download(session.id, sha('c'), { vouchedBy: [indexLink(sha('b'), 'InRelease')] }),
      download(session.id, sha('b'), {
        vouchedBy: [
          { kind: 'key', id: 'BB', name: 'Key B' },
          { kind: 'key', id: 'AA', name: 'Key A' },
          { kind: 'key', id: 'AA', name: 'Key A' },
        ],
      }),
    ]);
    expect(await chainsOf(store, sha('d'))).toEqual(['Packages < InRelease < Key A', 'Packages < InRelease < Key B']);
  });

  it('end where an index is unknown, vouches for itself or stands in a ring', async () => {
    const store = memoryStore();
    await store.record([
      download(session.id, sha('1'), { vouchedBy: [indexLink(sha('9'), 'gone')] }),
      download(session.id, sha('2'), { vouchedBy: [indexLink(sha('2'), 'self')] }),
      download(session.id, sha('3'), { vouchedBy: [indexLink(sha('4'), 'four')] }),
      download(session.id, sha('4'), { vouchedBy: [indexLink(sha('3'), 'three')] }),
    ]);
    expect(await chainsOf(store, sha('1'))).toEqual(['gone']);
    expect(await chainsOf(store, sha('2'))).toEqual(['self']);
    expect(await chainsOf(store, sha('3'))).toEqual(['four < three']);
  });

  it('are those of the artifact, also where another one has led through the same ring', async () => {
    const store = memoryStore();
    await store.record([
      download(session.id, sha('1'), { vouchedBy: [indexLink(sha('2'), 'two')] }),
      download(session.id, sha('2'), { vouchedBy: [indexLink(sha('3'), 'three')] }),
      download(session.id, sha('3'), { vouchedBy: [indexLink(sha('2'), 'two')] }),
      download(session.id, sha('4'), { vouchedBy: [indexLink(sha('2'), 'two')] }),
    ]);
    const found: string[] = [];
    for await (const artifact of reportArtifacts({ store, session })) {
      found.push(artifact['vouched-by'].map((chain) => chain.map(({ name }) => name).join(' < ')).join());
    }
    expect(found).toEqual(['two < three < two', 'three < two', 'two < three', 'two < three < two']);
  });

  it('of thousands of artifacts with the same voucher are found once', async () => {
    const store = memoryStore();
    let asked = 0;
    const counting = {
      ...store,
      artifact(id: string, sha256: string) {
        asked++;
        return store.artifact(id, sha256);
      },
    };
    await store.record([
      download(session.id, sha('a'), { vouchedBy: [{ kind: 'key', id: 'AA', name: 'Key A' }] }),
      ...Array.from({ length: 300 }, (_, n) =>
        download(session.id, n.toString(16).padStart(64, '0'), { vouchedBy: [indexLink(sha('a'), 'Packages')] }),
      ),
    ]);
    const names = new Set<string>();
    for await (const artifact of reportArtifacts({ store: counting, session }))
      names.add(artifact['vouched-by'].map((chain) => chain.map(({ name }) => name).join(' < ')).join());
    expect([...names]).toEqual(['Packages < Key A', 'Key A']);
    expect(asked).toBe(1);
  });

  it('stay bounded when every index has many of the next', async () => {
    const store = memoryStore();
    const level = (n: number, i: number) => `${n.toString(16)}${i.toString(16)}`.padStart(64, '0');
    for (let n = 1; n < 15; n++) {
      const vouchedBy = Array.from({ length: 8 }, (_, i) => indexLink(level(n + 1, i), `${n + 1}-${i}`));
      for (let i = 0; i < 8; i++) await store.record([download(session.id, level(n, i), { vouchedBy })]);
    }
    expect(await chainsOf(store, level(1, 0))).toHaveLength(64);
  });
});
