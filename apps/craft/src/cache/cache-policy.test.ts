import type { ArtifactOrigin } from '@waybill/cache-client';
import { cacheArtifactSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { type AcceptRules, acceptedClasses, whyNot } from './cache-policy.js';
import type { SessionClass } from './key-document.js';

const key = 'a'.repeat(64);
const blob = { sha256: key, size: 10 };

function candidate(more: object = {}, origin: ArtifactOrigin = { remote: 'local' }) {
  const manifest = cacheArtifactSchema.parse({
    format: 1,
    project: 'p',
    part: 'app',
    platform: 'amd64',
    key,
    'key-document': blob,
    files: [],
    record: blob,
    'session-policy': 'strict',
    'built-by': 'craft 0.1.0',
    'created-at': '2026-01-01T00:00:00Z',
    ...more,
  });
  return { manifest, origin };
}

const judge = (found: ReturnType<typeof candidate>, rules: AcceptRules = {}, session: SessionClass = 'strict') =>
  whyNot(found, { key, session, rules });

describe('acceptedClasses', () => {
  it.each([
    ['strict', {}, ['strict']],
    ['permissive', {}, ['strict', 'permissive']],
    ['none', {}, ['strict', 'permissive', 'none']],
    ['permissive', { 'strict-only': true }, ['strict']],
    ['none', { 'strict-only': true }, ['strict']],
    ['none', { 'strict-only': false }, ['strict', 'permissive', 'none']],
  ] as const)('of a %s build with %o are %o', (session, rules, classes) => {
    expect(acceptedClasses(session, rules)).toEqual(classes);
  });
});

describe('whyNot', () => {
  const remote = { remote: 'https://cache.example/main', namespace: 'main', writer: 'ci' };

  it('takes what fits', () => {
    expect(judge(candidate())).toBeUndefined();
    expect(judge(candidate({}, remote), { namespaces: ['main'], writers: ['ci', 'alice'] })).toBeUndefined();
    expect(judge(candidate({}, { ...remote, namespace: 'team/a' }), { namespaces: ['team/*'] })).toBeUndefined();
  });

  it('asks nobody about what this machine built', () => {
    expect(judge(candidate(), { namespaces: [], writers: [] })).toBeUndefined();
  });

  it.each([
    ['another key', { key: 'b'.repeat(64) }, 'key document'],
    ['a key document of another key', { 'key-document': { sha256: 'b'.repeat(64), size: 1 } }, 'key document'],
    ['no key document', { 'key-document': undefined }, 'key document'],
    ['a name that claims a session that was not', { 'session-policy': undefined }, 'another kind of session'],
    ['a weaker session', { 'session-policy': 'permissive' }, 'another kind of session'],
    ['no record', { record: undefined }, 'no record'],
  ])('refuses %s', (_, more, reason) => {
    expect(judge(candidate(more))).toContain(reason);
  });

  it.each([
    ['another namespace', remote, { namespaces: ['release'] }, 'namespace main'],
    [
      'a namespace whose name only begins alike',
      { ...remote, namespace: 'teams' },
      { namespaces: ['team/*'] },
      'teams',
    ],
    ['the namespace above', { ...remote, namespace: 'team' }, { namespaces: ['team/*'] }, 'namespace team'],
    ['a namespace that nobody told', { remote: 'https://x' }, { namespaces: ['main'] }, '(unknown)'],
    ['another writer', remote, { writers: ['alice'] }, 'ci wrote it'],
    ['a writer that nobody told', { remote: 'https://x' }, { writers: ['ci'] }, 'somebody unknown'],
    ['everything, when nothing is named', remote, { writers: [] }, 'ci wrote it'],
  ])('refuses %s', (_, origin, rules, reason) => {
    expect(judge(candidate({}, origin), rules)).toContain(reason);
  });
});
