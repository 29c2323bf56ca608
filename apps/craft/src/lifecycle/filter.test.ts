import { describe, expect, it } from 'vitest';
import { compileFileset } from './filter.js';

const tree = [
  'bin',
  'bin/tool',
  'etc',
  'etc/tool.conf',
  'lib',
  'lib/a.so',
  'lib/a.a',
  'lib/sub',
  'lib/sub/b.a',
  '.hidden',
  '-dash',
  'lib/[x]',
];

describe('compileFileset', () => {
  it.each([
    ['everything', ['*'], tree],
    ['nothing listed means everything', [], tree],
    ['only exclusions', ['-lib'], ['bin', 'bin/tool', 'etc', 'etc/tool.conf', '.hidden', '-dash']],
    ['a directory means all of it', ['lib/sub'], ['lib/sub', 'lib/sub/b.a']],
    ['a trailing slash changes nothing', ['lib/sub/'], ['lib/sub', 'lib/sub/b.a']],
    ['a star stays in its directory', ['lib/*.a'], ['lib/a.a']],
    ['two stars do not', ['**/*.a'], ['lib/a.a', 'lib/sub/b.a']],
    ['an exclusion wins', ['lib', '-lib/sub', '-**/*.a'], ['lib', 'lib/a.so', 'lib/[x]']],
    ['an escaped dash', ['\\-dash'], ['-dash']],
    ['an escaped bracket', ['lib/\\[x\\]'], ['lib/[x]']],
    ['braces', ['{bin,etc}/*'], ['bin/tool', 'etc/tool.conf']],
    ['an exclamation mark is no negation', ['!bin'], []],
    ['dots in front', ['./bin'], ['bin', 'bin/tool']],
  ])('%s', (_name, entries, wanted) => {
    expect(tree.filter(compileFileset(entries))).toEqual(wanted);
  });
});
