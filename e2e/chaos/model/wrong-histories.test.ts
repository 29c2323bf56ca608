import { describe, expect, it } from 'vitest';
import { checkHistory, type Frame } from './check-history.js';
import type { SessionHistory } from './history.js';
import {
  artifact,
  attempt,
  call,
  download,
  indexUrl,
  reading,
  refusal,
  session,
  sha256,
  tarballUrl,
  truth,
} from './made-up.js';
import { checkStable } from './rules/explained.js';

const oneFile = [artifact('file', [download('a')])];
const index = (id: string) => artifact('index', [download(id, { url: indexUrl })]);
const tarball = (id: string, fields = {}) => artifact('tarball', [download(id, { url: tarballUrl, ...fields })]);
const fault = [{ begun: 10, ended: 20 }];

describe('histories that are wrong', () => {
  const bad = attempt('a', 1);
  const answered = { attempts: [bad] };
  const cases: readonly (readonly [string, string, SessionHistory, Partial<Frame>?])[] = [
    ['a completed download is missing', 'body-unrecorded', session({ ...answered, readings: [reading(8, {})] })],
    [
      '… also while a store was out of order',
      'body-unrecorded',
      session({ attempts: [attempt('a', 12)], readings: [reading(30, {})] }),
      { faults: fault },
    ],
    [
      '… in the list of an open session',
      'body-unrecorded',
      session({ ...answered, readings: [reading(8, {}, 'artifacts')] }),
    ],
    [
      'it is there as withheld',
      'body-unrecorded',
      session({
        ...answered,
        readings: [reading(8, { artifacts: [artifact('file', [download('a', { delivery: 'withheld' })])] })],
      }),
    ],
    [
      'only its failure is there',
      'body-unrecorded',
      session({ ...answered, readings: [reading(8, { failures: [refusal('a')] })] }),
    ],
    [
      'another digest',
      'body-recorded-wrong',
      session({ attempts: [attempt('a', 1, { body: 'other' })], readings: [reading(8, { artifacts: oneFile })] }),
    ],
    [
      'another size',
      'body-recorded-wrong',
      session({
        ...answered,
        readings: [
          reading(8, { artifacts: oneFile.map((one) => ({ ...one, metadata: { ...one.metadata, size: 3 } })) }),
        ],
      }),
    ],
    [
      'another sha512',
      'body-recorded-wrong',
      session({
        ...answered,
        readings: [
          reading(8, { artifacts: oneFile.map((one) => ({ ...one, metadata: { ...one.metadata, sha512: 'f' } })) }),
        ],
      }),
    ],
    [
      'a part of something else',
      'body-recorded-wrong',
      session({
        attempts: [attempt('a', 1, { status: 206, range: { start: 1, end: 2 }, body: 'xx' })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'another url',
      'unexplained-record',
      session({
        ...answered,
        readings: [reading(8, { artifacts: [artifact('file', [download('a', { url: `${indexUrl}x` })])] })],
      }),
    ],
    [
      'a refusal that nobody recorded',
      'answer-unrecorded',
      session({ attempts: [attempt('a', 1, { status: 403 })], readings: [reading(8, {})] }),
    ],
    [
      'other bytes approved',
      'wrong-verdict',
      session({
        attempts: [attempt('a', 1, { body: 'other' })],
        readings: [reading(8, { artifacts: [artifact('other', [download('a')])] })],
      }),
    ],
    [
      'the right bytes rejected',
      'wrong-verdict',
      session({
        policy: 'permissive',
        ...answered,
        readings: [reading(8, { artifacts: [artifact('file', [download('a', { result: 'Rejected' })])] })],
      }),
    ],
    [
      'the right index rejected beside an exchange that went through',
      'wrong-verdict',
      session({
        policy: 'permissive',
        attempts: [attempt('t', 3, { url: tarballUrl, body: 'tarball' })],
        readings: [
          reading(8, {
            artifacts: [
              artifact('index', [download('t', { url: indexUrl, delivery: 'companion', result: 'Rejected' })]),
              artifact('tarball', [download('t', { url: tarballUrl, result: 'Rejected' })]),
            ],
          }),
        ],
      }),
    ],
    [
      'fetched for an exchange that was broken off, and rejected by nobody',
      'wrong-verdict',
      session({
        attempts: [attempt('t', 1, { url: tarballUrl, outcome: 'broken', status: undefined, body: '' })],
        readings: [
          reading(8, {
            artifacts: [
              artifact('index', [download('t', { url: indexUrl, delivery: 'companion', result: 'Rejected' })]),
            ],
            failures: [refusal('t', { url: tarballUrl, phase: 'upstream' })],
          }),
        ],
      }),
    ],
    [
      'approved without an index',
      'wrong-verdict',
      session({
        attempts: [attempt('t', 1, { url: tarballUrl, body: 'tarball' })],
        readings: [reading(8, { artifacts: [tarball('t')] })],
      }),
    ],
    [
      'approved by an index that was rejected',
      'wrong-verdict',
      session({
        policy: 'permissive',
        attempts: [
          attempt('i', 1, { url: indexUrl, body: 'index' }),
          attempt('t', 3, { url: tarballUrl, body: 'tarball' }),
        ],
        readings: [
          reading(8, {
            artifacts: [artifact('index', [download('i', { url: indexUrl, result: 'Rejected' })]), tarball('t')],
          }),
        ],
      }),
    ],
    [
      'an index that nobody sent',
      'wrong-verdict',
      session({
        attempts: [attempt('i', 1, { url: indexUrl, body: 'other' })],
        readings: [reading(8, { artifacts: [artifact('other', [download('i', { url: indexUrl })])] })],
      }),
    ],
    [
      'rejected although its index came before',
      'forgotten-index',
      session({
        policy: 'permissive',
        attempts: [
          attempt('i', 1, { url: indexUrl, body: 'index' }),
          attempt('t', 3, { url: tarballUrl, body: 'tarball' }),
        ],
        readings: [reading(8, { artifacts: [index('i'), tarball('t', { result: 'Rejected' })] })],
      }),
    ],
    [
      'approved without an index, while a store was out of order',
      'wrong-verdict',
      session({
        attempts: [attempt('t', 12, { url: tarballUrl, body: 'tarball' })],
        readings: [reading(30, { artifacts: [tarball('t')] })],
      }),
      { faults: fault },
    ],
    [
      'a rejected body completed in a strict session',
      'strict-let-through',
      session({
        attempts: [attempt('a', 1, { body: 'other' })],
        readings: [reading(8, { artifacts: [artifact('other', [download('a', { result: 'Rejected' })])] })],
      }),
    ],
    [
      'a record of nobody',
      'unknown-record',
      session({ readings: [reading(8, { artifacts: [artifact('file', [download('x')])] })] }),
    ],
    [
      'a record of a request that never arrived',
      'unexplained-record',
      session({
        attempts: [attempt('a', 1, { outcome: 'unsent', status: undefined })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'recorded twice',
      'unexplained-record',
      session({
        ...answered,
        readings: [reading(8, { artifacts: [artifact('file', [download('a'), download('a')])] })],
      }),
    ],
    [
      'refused twice',
      'unexplained-record',
      session({
        attempts: [attempt('a', 1, { status: 403 })],
        readings: [reading(8, { refusals: [refusal('a'), refusal('a')] })],
      }),
    ],
    [
      'recorded as a download and as an answer',
      'unexplained-record',
      session({
        ...answered,
        readings: [reading(8, { artifacts: oneFile, responses: [{ ...download('a'), note: '' }] })],
      }),
    ],
    [
      'refused, and recorded as delivered',
      'unexplained-record',
      session({ attempts: [attempt('a', 1, { status: 503 })], readings: [reading(8, { artifacts: oneFile })] }),
    ],
    [
      'a record that is gone later',
      'record-lost',
      session({
        attempts: [attempt('a', 1, { outcome: 'broken' })],
        readings: [reading(3, { artifacts: oneFile }), reading(8, {})],
      }),
    ],
    [
      'a report that changes',
      'report-unstable',
      session({
        ...answered,
        calls: [call('revoke', 3, 200)],
        readings: [reading(5, { artifacts: oneFile }), reading(8, { artifacts: oneFile, 'end-time': 'later' })],
      }),
    ],
    [
      'a report that changes because time passes',
      'report-unstable',
      session({
        ...answered,
        calls: [call('revoke', 3, 200)],
        readings: [
          reading(5, { artifacts: oneFile, state: 'revoked' }),
          reading(8, { artifacts: oneFile, state: 'expired' }),
        ],
      }),
    ],
    [
      'served after the answer to a revocation',
      'state-backwards',
      session({ calls: [call('revoke', 1, 200)], attempts: [attempt('a', 5)] }),
    ],
    [
      '… although only its head came',
      'state-backwards',
      session({ calls: [call('revoke', 1, 200)], attempts: [attempt('a', 5, { outcome: 'broken' })] }),
    ],
    [
      '… after a session was ended',
      'state-backwards',
      session({ calls: [call('end', 1, 200)], attempts: [attempt('a', 5)] }),
    ],
    ['open again', 'state-backwards', session({ calls: [call('revoke', 1, 200), call('report', 5, 400)] })],
    [
      '… after it was seen as over',
      'state-backwards',
      session({ calls: [call('revoke', 1, undefined), call('report', 3, 200), call('report', 5, 400)] }),
    ],
    [
      'a report of an ended session',
      'state-backwards',
      session({ calls: [call('end', 1, 200), call('report', 5, 200)] }),
    ],
    [
      'a token that works no more, and nobody revoked it',
      'state-unasked',
      session({ attempts: [attempt('a', 1, { outcome: 'unauthorized', status: 407 })] }),
    ],
    [
      '… before it was revoked',
      'state-unasked',
      session({
        attempts: [attempt('a', 1, { outcome: 'unauthorized', status: 407 })],
        calls: [call('revoke', 5, 200)],
      }),
    ],
    ['a session that is gone', 'state-unasked', session({ calls: [call('revoke', 1, 200), call('report', 3, 404)] })],
    ['a token that is not known', 'token-forgotten', session({ calls: [call('revoke', 1, 400)] })],
    ['a call that fails for no reason', 'control-failed', session({ calls: [call('end', 1, 500)] })],
    [
      'an event of nothing',
      'event-unrecorded',
      session({ readings: [reading(8, {})], events: [{ at: 1, event: 'download', url: 'u', sha256: 's', time: 't' }] }),
    ],
    [
      'a session that does not go on',
      'stuck',
      session({ attempts: [attempt('a', 1, { outcome: 'broken', mustSucceed: true })] }),
    ],
    [
      'a file that was not written',
      'export-missing',
      session({
        ...answered,
        readings: [reading(8, { artifacts: oneFile })],
        exports: [{ at: 9, files: new Map([['session.json', 'x']]) }],
      }),
    ],
    [
      'a file with other bytes',
      'export-damaged',
      session({
        ...answered,
        readings: [reading(8, { artifacts: oneFile })],
        exports: [
          {
            at: 9,
            files: new Map([
              ['session.json', 'x'],
              [`${sha256('file')}.json`, 'x'],
              [`${sha256('file')}.data`, sha256('fil')],
            ]),
          },
        ],
      }),
    ],
    [
      'a file of nothing',
      'export-strange',
      session({
        readings: [reading(8, {})],
        exports: [
          {
            at: 9,
            files: new Map([
              ['session.json', 'x'],
              ['part', 'x'],
            ]),
          },
        ],
      }),
    ],
  ];
  for (const [name, rule, history, frame] of cases) {
    it(`${name}: ${rule}`, () => {
      expect(checkHistory(history, { truth, ...frame }).map((violation) => violation.rule)).toContain(rule);
    });
  }

  it('tells what changed in a report', () => {
    const readings = [reading(5, { artifacts: oneFile, state: 'revoked' }), reading(8, { state: 'expired' })];
    const [violation] = checkStable(session({ readings }));
    expect(violation?.text).toMatch(/: \/artifacts\/0 \{.{100,200} → undefined; \/state "revoked" → "expired"$/);
  });
});
