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

const oneFile = [artifact('file', [download('a')])];
const index = (id: string) => artifact('index', [download(id, { url: indexUrl })]);
const tarball = (id: string, fields = {}) => artifact('tarball', [download(id, { url: tarballUrl, ...fields })]);
const unjudgedIndex = {
  ...download('t', { url: indexUrl, delivery: 'companion', result: undefined }),
  note: '',
  sha256: sha256('index'),
};
const fault = [{ begun: 10, ended: 20 }];

describe('histories that are as they should be', () => {
  const cases: readonly (readonly [string, SessionHistory, Partial<Frame>?])[] = [
    ['nothing happened', session({})],
    [
      'a download, and the report of it',
      session({
        attempts: [attempt('a', 1)],
        calls: [call('revoke', 5, 200)],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'recorded, and the client was cut off',
      session({
        attempts: [attempt('a', 1, { outcome: 'broken', status: undefined })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'cut off, and nothing recorded',
      session({ attempts: [attempt('a', 1, { outcome: 'broken' })], readings: [reading(8, {})] }),
    ],
    [
      'answered after the report was asked for',
      session({ attempts: [attempt('a', 8, { ended: 12 })], readings: [reading(8, {})] }),
    ],
    [
      'refused: the download is withheld, the refusal beside it',
      session({
        attempts: [attempt('a', 1, { status: 403, body: 'no' })],
        readings: [
          reading(8, {
            artifacts: [artifact('other', [download('a', { result: 'Rejected', delivery: 'withheld' })])],
            refusals: [refusal('a')],
          }),
        ],
      }),
    ],
    [
      'permissive: delivered with the verdict that strict would have given',
      session({
        policy: 'permissive',
        attempts: [attempt('a', 1, { body: 'other' })],
        readings: [
          reading(8, {
            artifacts: [artifact('other', [download('a', { result: 'Rejected' })])],
            refusals: [refusal('a', { delivered: true })],
          }),
        ],
      }),
    ],
    [
      'an index, then what it lists',
      session({
        attempts: [
          attempt('i', 1, { url: indexUrl, body: 'index' }),
          attempt('t', 3, { url: tarballUrl, body: 'tarball' }),
        ],
        readings: [reading(8, { artifacts: [index('i'), tarball('t')] })],
      }),
    ],
    [
      'a part out of the whole',
      session({
        attempts: [attempt('a', 1, { status: 206, range: { start: 1, end: 2 }, body: 'il' })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'a revocation that was not written down, and lost with the process that knew of it',
      session({
        calls: [call('revoke', 12, 500), call('report', 30, 400)],
        attempts: [attempt('a', 14, { outcome: 'unauthorized', status: 407 })],
      }),
      { faults: fault },
    ],
    [
      'rejected because its index could not be looked up',
      session({
        attempts: [
          attempt('i', 1, { url: indexUrl, body: 'index' }),
          attempt('t', 12, { url: tarballUrl, status: 403, body: 'no' }),
        ],
        readings: [
          reading(30, { artifacts: [index('i'), tarball('t', { result: 'Rejected', delivery: 'withheld' })] }),
        ],
      }),
      { faults: fault },
    ],
    [
      'another replica that has not heard of the revocation yet',
      session({
        calls: [call('revoke', 1, 200)],
        attempts: [attempt('a', 3, { mayLag: true })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'refused, and cut off before the client was told',
      session({
        attempts: [attempt('a', 1, { outcome: 'broken', status: undefined })],
        readings: [reading(8, { refusals: [refusal('a')], failures: [refusal('a', { phase: 'session' })] })],
      }),
    ],
    [
      'a range that the body does not have',
      session({
        attempts: [attempt('a', 1, { status: 416, range: { start: 90, end: 99 }, body: '' })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'what the proxy fetched by itself',
      session({
        attempts: [attempt('t', 3, { url: tarballUrl, body: 'tarball' })],
        readings: [
          reading(8, {
            artifacts: [artifact('index', [download('t', { url: indexUrl, delivery: 'companion' })]), tarball('t')],
          }),
        ],
      }),
    ],
    [
      'what the proxy fetched for an exchange that was broken off before anybody looked at it',
      session({
        attempts: [attempt('t', 3, { url: tarballUrl, outcome: 'broken', status: undefined, body: '' })],
        readings: [
          reading(8, {
            responses: [unjudgedIndex],
            failures: [refusal('t', { url: tarballUrl, phase: 'upstream' })],
          }),
        ],
      }),
    ],
    [
      'what the proxy fetched for a file that the upstream then did not have',
      session({
        attempts: [attempt('t', 3, { url: tarballUrl, status: 503, body: '-' })],
        readings: [
          reading(8, {
            responses: [
              { ...download('t', { url: tarballUrl, 'status-code': 503, delivery: 'withheld' }), note: '' },
              unjudgedIndex,
            ],
          }),
        ],
      }),
    ],
    [
      'a revocation without an answer, and either state after it',
      session({ calls: [call('revoke', 1, undefined), call('report', 3, 400), call('report', 5, 200)] }),
    ],
    [
      'ended, and gone',
      session({
        calls: [
          call('revoke', 1, 200),
          call('end', 3, 200),
          call('report', 5, 404),
          call('end', 7, 404),
          call('delete', 9, 200),
        ],
      }),
    ],
    [
      'the token of a revoked session',
      session({
        calls: [call('revoke', 1, 200)],
        attempts: [attempt('a', 3, { outcome: 'unauthorized', status: 407 })],
      }),
    ],
    [
      'an exchange that began before the revocation',
      session({
        calls: [call('revoke', 2, 200)],
        attempts: [attempt('a', 1, { ended: 5 })],
        readings: [reading(8, { artifacts: oneFile })],
      }),
    ],
    [
      'a commit that was not confirmed',
      session({
        attempts: [attempt('a', 12, { status: 503, body: '-' })],
        readings: [reading(30, { artifacts: oneFile })],
      }),
      { faults: fault },
    ],
    [
      'a refusal that could not be recorded',
      session({ attempts: [attempt('a', 12, { status: 503, body: '-' })], readings: [reading(30, {})] }),
      { faults: fault },
    ],
    ['calls that failed with their store', session({ calls: [call('revoke', 12, 500)] }), { faults: fault }],
    [
      'time ran out',
      session({
        mayExpire: true,
        attempts: [attempt('a', 3, { outcome: 'unauthorized', status: 407 })],
        calls: [call('report', 5, 200), call('end', 7, 200), call('report', 9, 200)],
      }),
    ],
    [
      'a request of a real client',
      session({
        readings: [reading(8, { responses: [{ ...download('git/2', { url: 'https://git.example/x' }), note: '' }] })],
      }),
      { isForeign: (agent) => agent.startsWith('git/') },
    ],
    [
      'the same report twice, and its files',
      session({
        attempts: [attempt('a', 1)],
        calls: [call('revoke', 3, 200)],
        readings: [reading(5, { artifacts: oneFile }), reading(7, { artifacts: oneFile })],
        exports: [
          {
            at: 9,
            files: new Map([
              ['session.json', 'x'],
              [`${sha256('file')}.json`, 'x'],
              [`${sha256('file')}.data`, sha256('file')],
            ]),
          },
        ],
        events: [
          { at: 2, event: 'download', url: download('a').url, sha256: sha256('file'), time: download('a')['end-time'] },
        ],
      }),
    ],
  ];
  for (const [name, history, frame] of cases) {
    it(name, () => expect(checkHistory(history, { truth, ...frame })).toEqual([]));
  }
});
