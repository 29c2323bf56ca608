import { describe, expect, it } from 'vitest';
import { isVersion, parseRegistryPath, parseTarballTail } from './registry-path.js';

describe('parseRegistryPath', () => {
  it.each([
    ['left-pad', { kind: 'packument', name: 'left-pad' }],
    ['JSONStream', { kind: 'packument', name: 'JSONStream' }],
    ['@s/name', { kind: 'packument', name: '@s/name' }],
    ['@s%2fname', { kind: 'packument', name: '@s/name' }],
    ['@s%2Fname', { kind: 'packument', name: '@s/name' }],
    ['%40s%2fname', { kind: 'packument', name: '@s/name' }],
    ['-', { kind: 'packument', name: '-' }],
    ['left-pad/1.3.0', { kind: 'version', name: 'left-pad', spec: '1.3.0' }],
    ['left-pad/latest', { kind: 'version', name: 'left-pad', spec: 'latest' }],
    ['@s%2fname/1.0.0-rc.1', { kind: 'version', name: '@s/name', spec: '1.0.0-rc.1' }],
    ['@s/name/next', { kind: 'version', name: '@s/name', spec: 'next' }],
    ['-/package/left-pad/dist-tags', { kind: 'dist-tags', name: 'left-pad' }],
    ['-/package/@s%2fname/dist-tags', { kind: 'dist-tags', name: '@s/name' }],
    [
      'left-pad/-/left-pad-1.3.0.tgz',
      { kind: 'tarball', name: 'left-pad', file: 'left-pad-1.3.0.tgz', version: '1.3.0' },
    ],
    [
      '@s/name/-/name-1.0.0-a.b+c.tgz',
      { kind: 'tarball', name: '@s/name', file: 'name-1.0.0-a.b+c.tgz', version: '1.0.0-a.b+c' },
    ],
    ['@s%2fname/-/name-1.0.0.tgz', { kind: 'tarball', name: '@s/name', file: 'name-1.0.0.tgz', version: '1.0.0' }],
    ['@s/name/-/@s/name-1.0.0.tgz', { kind: 'tarball', name: '@s/name', file: 'name-1.0.0.tgz', version: '1.0.0' }],
    ['-/-/--0.0.1.tgz', { kind: 'tarball', name: '-', file: '--0.0.1.tgz', version: '0.0.1' }],
    ['a-1/-/a-1-2.0.0.tgz', { kind: 'tarball', name: 'a-1', file: 'a-1-2.0.0.tgz', version: '2.0.0' }],
    ['odd/-/something.tgz', { kind: 'tarball', name: 'odd', file: 'something.tgz' }],
  ])('%s', (path, resource) => expect(parseRegistryPath(path)).toEqual(resource));

  it.each([
    '',
    '.',
    '..',
    '../x',
    'x/../y',
    '%2e%2e/x',
    'x%2f..%2fy',
    'a%2fb',
    '.hidden',
    '_all_docs',
    'node_modules',
    '@s',
    '@s/',
    '@/x',
    '@s/n/v/more',
    'a/b/c',
    '-/ping',
    '-/whoami',
    '-/v1/search',
    '-/npm/v1/security/advisories/bulk',
    '-/package/x/collaborators',
    'x/-/y.zip',
    'x/-/a/b.tgz',
    'x/-/@other/x-1.0.0.tgz',
    'x/-',
    '%zz',
    'x%00y',
    'x/-/a\\b.tgz',
    'x'.repeat(300),
  ])('not ours: %s', (path) => expect(parseRegistryPath(path)).toBeUndefined());
});

it('parseTarballTail reads the end of any path', () => {
  expect(parseTarballTail('cdn/v1/left-pad/-/left-pad-1.3.0.tgz')).toMatchObject({
    name: 'left-pad',
    version: '1.3.0',
  });
  expect(parseTarballTail('cdn/@s/name/-/name-1.3.0.tgz')).toMatchObject({ name: '@s/name', version: '1.3.0' });
  expect(parseTarballTail('download/@s/name/1.0.0/abcdef')).toBeUndefined();
  expect(parseTarballTail('-/x.tgz')).toBeUndefined();
});

it.each([
  ['1.0.0', true],
  ['1.0.0-beta.1+build', true],
  ['1.0', false],
  ['v1.0.0', false],
  ['1.0.0beta', true],
  ['1.0.0/x', false],
  ['1.0.0 ', false],
  ['latest', false],
])('isVersion %s', (text, is) => expect(isVersion(text)).toBe(is));
