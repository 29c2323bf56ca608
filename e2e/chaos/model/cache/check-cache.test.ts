import { describe, expect, it } from 'vitest';
import { checkCache } from './check-cache.js';
import type { BlobRead, CacheHistory, Deed, Pull, Write } from './history.js';

const key = 'last/1';
const entry = (value: string, ...references: string[]) => ({ value, references });
const base = { namespace: 'kept', key };

function push(at: number, value: string, fields: Partial<Write> = {}): Write {
  return { ...base, begun: at, ended: at + 1, entry: entry(value, 'r'), outcome: 'done', status: 200, ...fields };
}

function removal(at: number, fields: Partial<Write> = {}): Write {
  return push(at, '', { entry: undefined, status: 204, ...fields });
}

function pull(at: number, value: string | undefined, fields: Partial<Pull> = {}): Pull {
  const times = { begun: at, ended: at + 1 };
  if (value === undefined) return { ...base, ...times, outcome: 'missing', status: 404, blobs: [], ...fields };
  return { ...base, ...times, outcome: 'found', entry: entry(value, 'r'), status: 200, blobs: [], ...fields };
}

function blob(outcome: BlobRead['outcome'], fields: Partial<BlobRead> = {}): BlobRead {
  return { sha256: 'v', outcome, status: 200, begun: 5, ended: 6, ...fields };
}

function deed(fields: Partial<Deed>): Deed {
  return { what: 'an upload', namespace: 'kept', begun: 5, ended: 6, status: 201, allowed: [201], ...fields };
}

function history(fields: Partial<CacheHistory>): CacheHistory {
  const namespaces = new Map([
    ['kept', { evicts: false }],
    ['small', { evicts: true, hardLimitBytes: 100 }],
  ]);
  return { namespaces, writes: [], pulls: [], deeds: [], usages: [], faults: [], ...fields };
}

const lost = { outcome: 'unknown', status: undefined } as const;
const small = { namespace: 'small' } as const;
const first = { key: 'first/1' } as const;
const fault = [{ begun: 4, ended: 8 }];

describe('what may have happened', () => {
  const cases: readonly (readonly [string, Partial<CacheHistory>])[] = [
    ['nothing', {}],
    ['pushed, and found', { writes: [push(1, 'a')], pulls: [pull(3, 'a', { blobs: [blob('whole')] })] }],
    ['never pushed, and missing', { pulls: [pull(3, undefined)] }],
    ['both at once: found or not', { writes: [push(2, 'a', { ended: 9 })], pulls: [pull(3, 'a'), pull(5, undefined)] }],
    ['no answer to the push: found', { writes: [push(1, 'a', lost)], pulls: [pull(3, 'a')] }],
    ['no answer to the push: missing', { writes: [push(1, 'a', lost)], pulls: [pull(3, undefined)] }],
    ['pushed late, after its client was gone', { writes: [push(1, 'a', lost), push(3, 'b')], pulls: [pull(5, 'a')] }],
    ['the latest wins', { writes: [push(1, 'a'), push(3, 'b')], pulls: [pull(5, 'b')] }],
    ['two at once: either', { writes: [push(1, 'a', { ended: 5 }), push(2, 'b')], pulls: [pull(7, 'a')] }],
    ['removed', { writes: [push(1, 'a'), removal(3)], pulls: [pull(5, undefined)] }],
    [
      'removed, without an answer',
      { writes: [push(1, 'a'), removal(3, lost)], pulls: [pull(5, 'a'), pull(7, undefined)] },
    ],
    ['pushed again after it was removed', { writes: [push(1, 'a'), removal(3), push(5, 'a')], pulls: [pull(7, 'a')] }],
    ['evicted', { writes: [push(1, 'a', small)], pulls: [pull(3, undefined, small)] }],
    [
      'the first value stays, and the second is told',
      {
        writes: [push(1, 'a', first), push(3, 'b', { ...first, outcome: 'exists', status: 409 })],
        pulls: [pull(5, 'a', first)],
      },
    ],
    [
      'evicted, and another first value',
      {
        writes: [push(1, 'a', { ...first, ...small }), push(3, 'b', { ...first, ...small })],
        pulls: [pull(5, 'b', { ...first, ...small })],
      },
    ],
    ['a store is out of order', { writes: [push(5, 'a', { ...lost, status: 503 })], faults: fault }],
    [
      '… and the file is not to be had',
      { pulls: [pull(5, 'a', { outcome: 'unanswered', status: 500 })], faults: fault },
    ],
    ['full', { writes: [push(5, 'a', { ...small, outcome: 'refused', status: 507 })] }],
    [
      'a body was cut off',
      { writes: [push(1, 'a')], pulls: [pull(5, 'a', { blobs: [blob('broken', { status: 200 })] })] },
    ],
    ['a wrong body is refused', { deeds: [deed({ allowed: [400], status: 400 }), deed({ status: undefined })] }],
    ['as many bytes as may be', { usages: [{ at: 3, namespace: 'small', bytes: 100 }] }],
  ];
  for (const [name, fields] of cases) it(name, () => expect(checkCache(history(fields))).toEqual([]));
});

describe('what must not happen', () => {
  const cases: readonly (readonly [string, string, Partial<CacheHistory>])[] = [
    ['confirmed, and gone', 'entry-lost', { writes: [push(1, 'a')], pulls: [pull(3, undefined)] }],
    [
      'found once after a push without an answer, and gone',
      'entry-lost',
      { writes: [push(1, 'a', lost)], pulls: [pull(3, 'a'), pull(5, undefined)] },
    ],
    [
      '… also while a store is out of order',
      'entry-lost',
      { writes: [push(1, 'a')], pulls: [pull(5, undefined)], faults: fault },
    ],
    ['an old value', 'entry-stale', { writes: [push(1, 'a'), push(3, 'b')], pulls: [pull(5, 'a')] }],
    ['back after it was removed', 'entry-stale', { writes: [push(1, 'a'), removal(3)], pulls: [pull(5, 'a')] }],
    ['nobody wrote it', 'made-up', { writes: [push(1, 'a')], pulls: [pull(3, 'b')] }],
    ['found before it was written', 'made-up', { writes: [push(5, 'a')], pulls: [pull(3, 'a')] }],
    ['it was refused', 'made-up', { writes: [push(1, 'a', { outcome: 'refused' })], pulls: [pull(3, 'a')] }],
    [
      'half of two values',
      'made-up',
      { writes: [push(1, 'a'), push(3, 'b')], pulls: [pull(5, 'b', { entry: entry('b', 'x') })] },
    ],
    ['another first value is confirmed', 'overwritten', { writes: [push(1, 'a', first), push(3, 'b', first)] }],
    [
      'another first value is found',
      'overwritten',
      { writes: [push(1, 'a', { ...first, ...lost }), push(3, 'b', first)], pulls: [pull(5, 'a', first)] },
    ],
    [
      'a conflict with nothing',
      'conflict-made-up',
      { writes: [push(3, 'b', { ...first, outcome: 'exists', status: 409 })] },
    ],
    [
      'a name whose blob is missing',
      'entry-incomplete',
      { writes: [push(1, 'a')], pulls: [pull(5, 'a', { blobs: [blob('missing', { status: 404 })] })] },
    ],
    [
      '… also where names are evicted',
      'entry-incomplete',
      { writes: [push(1, 'a', small)], pulls: [pull(5, 'a', { ...small, blobs: [blob('missing')] })], faults: fault },
    ],
    ['other bytes', 'wrong-bytes', { writes: [push(1, 'a')], pulls: [pull(5, 'a', { blobs: [blob('wrong')] })] }],
    ['an error without a reason', 'failed', { writes: [push(1, 'a', { ...lost, status: 500 })] }],
    [
      '… of a file',
      'failed',
      { writes: [push(1, 'a')], pulls: [pull(5, 'a', { blobs: [blob('broken', { status: 500 })] })] },
    ],
    ['full, where there is no quota', 'failed', { writes: [push(1, 'a', { outcome: 'refused', status: 507 })] }],
    [
      'no answer although all is well',
      'stuck',
      { pulls: [pull(1, 'a', { outcome: 'unanswered', mustSucceed: true })] },
    ],
    [
      '… or half a file',
      'stuck',
      { writes: [push(1, 'a')], pulls: [pull(5, 'a', { blobs: [blob('broken')], mustSucceed: true })] },
    ],
    ['a wrong body is taken', 'wrong-answer', { deeds: [deed({ allowed: [400], status: 201 })] }],
    ['a right one is refused', 'wrong-answer', { deeds: [deed({ status: 400 })] }],
    ['… also while a store is out of order', 'wrong-answer', { deeds: [deed({ status: 400 })], faults: fault }],
    ['more bytes than may be', 'limit-exceeded', { usages: [{ at: 3, namespace: 'small', bytes: 101 }] }],
  ];
  for (const [name, rule, fields] of cases)
    it(`${name}: ${rule}`, () => expect(checkCache(history(fields)).map((one) => one.rule)).toContain(rule));
});
