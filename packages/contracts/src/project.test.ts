import { describe, expect, it } from 'vitest';
import { projectKeysAt, projectSchema, unsupportedProjectKey } from './project.js';
import { inferSourceType } from './project-source.js';

describe('inferSourceType', () => {
  it.each([
    ['.', 'local'],
    ['../lib', 'local'],
    ['git@git.example:team/a', 'git'],
    ['git+https://git.example/a', 'git'],
    ['https://git.example/a.git', 'git'],
    ['ssh://git.example/a', 'git'],
    ['https://files.example/a.tar.gz', 'tar'],
    ['https://files.example/a.tar.gz?download=1#x', 'tar'],
    ['a.tgz', 'tar'],
    ['a.tar.zst', 'tar'],
    ['a.ZIP', 'zip'],
    ['https://files.example/a_1.0_all.deb', 'deb'],
    ['https://files.example/a.bin', undefined],
    ['https://files.example/?file=a.zip', undefined],
  ])('%s', (source, wanted) => {
    expect(inferSourceType(source)).toBe(wanted);
  });
});

describe('projectSchema', () => {
  const base = { name: 'a', version: '1', platforms: { amd64: null }, parts: { p: { plugin: 'nil' } } };
  const accepts = (changes: object) => projectSchema.safeParse({ ...base, ...changes }).success;

  it.each([
    ['a short platform', { platforms: { amd64: null } }, true],
    ['one architecture and a list', { platforms: { x: { 'build-on': 'amd64', 'build-for': ['arm64'] } } }, true],
    ['no platform', { platforms: {} }, false],
    ['two targets', { platforms: { x: { 'build-on': 'amd64', 'build-for': ['arm64', 'amd64'] } } }, false],
    ['a reserved platform', { platforms: { any: { 'build-on': 'amd64', 'build-for': 'all' } } }, false],
    ['a platform with a slash', { platforms: { 'a/b': { 'build-on': 'amd64', 'build-for': 'all' } } }, false],
    ['a part with a slash', { parts: { 'a/b': { plugin: 'nil' } } }, false],
    ['a part named ..', { parts: { '..': { plugin: 'nil' } } }, false],
    ['a name of digits', { name: '12' }, false],
    ['a name of 41 characters', { name: 'a'.repeat(41) }, false],
    ['two hyphens', { name: 'a--b' }, false],
    ['a version with a slash', { version: '1/2' }, false],
    ['a version that ends in a dot', { version: '1.' }, false],
    ['a two-line summary', { summary: 'a\nb' }, false],
    ['neither version nor adopt-info', { version: undefined }, false],
    ['adopt-info instead of a version', { version: undefined, 'adopt-info': 'p' }, true],
    ['adopt-info of nobody', { 'adopt-info': 'x' }, false],
    [
      'two variables in one entry',
      { parts: { p: { plugin: 'nil', 'build-environment': [{ A: '1', B: '2' }] } } },
      false,
    ],
    ['a variable with a dash', { parts: { p: { plugin: 'nil', 'build-environment': [{ 'A-B': '1' }] } } }, false],
    ['an absolute path in organize', { parts: { p: { plugin: 'nil', organize: { a: '/etc/x' } } } }, false],
    ['a package with an option', { parts: { p: { plugin: 'nil', 'stage-packages': ['--download'] } } }, false],
    ['a package with a version', { parts: { p: { plugin: 'nil', 'stage-packages': ['a1:amd64=1:2.0-3~x'] } } }, true],
  ])('%s', (_name, changes, wanted) => {
    expect(accepts(changes)).toBe(wanted);
  });
});

describe('projectKeysAt', () => {
  it('knows the keys of each plugin', () => {
    expect(projectKeysAt(['parts', 'p'], 'make')).toContain('make-parameters');
    expect(projectKeysAt(['parts', 'p'], 'nil')).not.toContain('make-parameters');
    expect(projectKeysAt([], undefined)).toContain('adopt-info');
  });
});

describe('unsupportedProjectKey', () => {
  it('explains keys of the craft family only', () => {
    expect(unsupportedProjectKey('stage-snaps')).toBe('snaps cannot be staged');
    expect(unsupportedProjectKey('constructor')).toBeUndefined();
  });
});
