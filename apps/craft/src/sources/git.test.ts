import { type PartConfig, partSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { localRepository, planGit } from './git.js';

const part = (keys: Record<string, unknown>): PartConfig =>
  partSchema.parse({ plugin: 'nil', source: 'https://git.example/a.git', ...keys });
const commit = '0123456789abcdef0123456789abcdef01234567';

describe('planGit', () => {
  it.each([
    [
      'a session fetches one reference at depth 1',
      {},
      true,
      ['--no-tags', '--depth=1', 'origin', '+HEAD:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'a branch',
      { 'source-branch': 'main' },
      true,
      ['--no-tags', '--depth=1', 'origin', '+refs/heads/main:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'a tag',
      { 'source-tag': 'v1' },
      true,
      ['--no-tags', '--depth=1', 'origin', '+refs/tags/v1:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'a commit',
      { 'source-commit': commit },
      true,
      ['--no-tags', '--depth=1', 'origin', `+${commit}:refs/craft/source`],
      'refs/craft/source',
    ],
    [
      'a depth of its own',
      { 'source-depth': 5 },
      true,
      ['--no-tags', '--depth=5', 'origin', '+HEAD:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'depth 0 means everything, in a session too',
      { 'source-depth': 0 },
      true,
      ['--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+HEAD:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'everything outside sessions',
      { 'source-branch': 'main' },
      false,
      ['--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/heads/main:refs/craft/source'],
      'refs/craft/source',
    ],
    [
      'a short commit outside sessions',
      { 'source-commit': 'abcd123' },
      false,
      ['--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*'],
      'abcd123',
    ],
  ])('%s', (_name, keys, inSession, fetch, checkout) => {
    expect(planGit(part(keys), inSession)).toMatchObject({ fetch, checkout });
  });

  it('refuses a short commit where the fetch is shallow', () => {
    expect(() => planGit(part({ 'source-commit': 'abcd123' }), true)).toThrowError(
      expect.objectContaining({ code: 'CRAFT_SOURCE_GIT_FAILED' }),
    );
  });

  it.each([
    ['all, as deep as the source', {}, true, ['--init', '--recursive', '--depth=1']],
    ['all, whole', {}, false, ['--init', '--recursive']],
    ['none', { 'source-submodules': [] }, true, undefined],
    ['some', { 'source-submodules': ['lib'] }, false, ['--init', '--recursive', '--', 'lib']],
  ])('submodules: %s', (_name, keys, inSession, submodules) => {
    expect(planGit(part(keys), inSession).submodules).toEqual(submodules);
  });
});

describe('localRepository', () => {
  it.each([
    ['https://git.example/a.git', {}, undefined],
    ['git@git.example:a.git', {}, undefined],
    ['../repo.git', {}, '/work/repo.git'],
    ['../repo', {}, undefined],
    ['../repo', { 'source-type': 'git' }, '/work/repo'],
    ['file:///srv/repo.git', {}, '/srv/repo.git'],
    ['git+file:///srv/repo', { 'source-type': 'git' }, '/srv/repo'],
  ])('%s', (source, keys, wanted) => {
    expect(localRepository(part({ source, ...keys }), '/work/project')).toBe(wanted);
  });
});
