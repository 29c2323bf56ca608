import { describe, expect, it } from 'vitest';
import { download, moment, refusal, session, sessionId, sha } from '../records.js';
import { all } from './expectations.js';
import type { SuiteContext } from './suite-context.js';

const id = sessionId('one');

export function describeMerging(suite: SuiteContext): void {
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
      await suite.store.createSession(session(id));
      for (const change of changes) await suite.store.record([download(id, 'body', change)]);
      const artifact = await suite.store.artifact(id, sha('body'));
      expect(artifact?.result).toBe(result);
      expect(Object.values(artifact?.responseInspection ?? {})[0]?.reason).toBe(reason);
      expect(artifact?.downloads.length).toBe(changes.length);
      const times = artifact?.downloads.map((entry) => entry.startedAt.getTime()) ?? [];
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(await all(suite.store.artifacts(id))).toEqual([artifact]);
      expect(await suite.store.counts(id)).toMatchObject({ artifacts: 1, downloads: changes.length, bytes: 4 });
    });
  });
}
