import { createHash } from 'node:crypto';
import type { CacheBlob } from '@waybill/cache-store';
import { describe, expect, it } from 'vitest';
import {
  ActionResultError,
  type ActionResultReader,
  type ActionResultShape,
  actionResultReferences,
  type DigestShape,
  type DirectoryShape,
  inlinedContents,
  type TreeShape,
} from './action-result.js';

const none = new Uint8Array();

function digest(text: string): DigestShape {
  return { hash: createHash('sha256').update(text).digest('hex'), sizeBytes: BigInt(text.length) };
}
function blob(text: string): CacheBlob {
  return { sha256: digest(text).hash, size: text.length };
}
function result(part: Partial<ActionResultShape> = {}): ActionResultShape {
  return { outputFiles: [], outputDirectories: [], stdoutRaw: none, stderrRaw: none, exitCode: 0, ...part };
}
function file(path: string, text: string, contents = none) {
  return { path, digest: digest(text), contents };
}
function directory(files: string[], directories: string[] = []): DirectoryShape {
  return {
    files: files.map((name) => ({ name, digest: digest(name) })),
    directories: directories.map((name) => ({ name, digest: digest(name) })),
  };
}
function reader(trees: Record<string, TreeShape> = {}, directories: Record<string, DirectoryShape> = {}) {
  const read: string[] = [];
  const from =
    <Value>(all: Record<string, Value>) =>
    async ({ sha256 }: CacheBlob) => {
      const name = Object.keys(all).find((key) => digest(key).hash === sha256);
      read.push(name ?? sha256);
      return name === undefined ? undefined : all[name];
    };
  return { readTree: from(trees), readDirectory: from(directories), read } satisfies ActionResultReader & {
    read: string[];
  };
}

describe('what an action result needs', () => {
  it('is its files, streams, trees and all that is in them, once each', async () => {
    const found = await actionResultReferences(
      result({
        outputFiles: [file('out/a', 'a'), file('out/b', 'b'), file('out/a2', 'a')],
        outputDirectories: [{ path: 'out/dir', treeDigest: digest('tree') }],
        stdoutDigest: digest('said'),
        stderrDigest: digest('complained'),
      }),
      reader({ tree: { root: directory(['b', 'c'], ['sub']), children: [directory(['d'])] } }),
    );
    expect(found).toEqual(['a', 'b', 'tree', 'c', 'd', 'said', 'complained'].map(blob));
  });

  it('follows directories that lie in the store by themselves, each read once', async () => {
    const lone = reader({}, { root: directory(['f'], ['x', 'y']), x: directory(['g'], ['y']), y: directory([]) });
    const found = await actionResultReferences(
      result({ outputDirectories: [{ path: '', rootDirectoryDigest: digest('root') }] }),
      lone,
    );
    expect(found.map(({ sha256 }) => sha256).sort()).toEqual(
      ['root', 'f', 'x', 'y', 'g'].map((n) => digest(n).hash).sort(),
    );
    expect(lone.read.sort()).toEqual(['root', 'x', 'y']);
  });

  it('is nothing for an action without outputs', async () => {
    expect(await actionResultReferences(result({ exitCode: 1 }), reader())).toEqual([]);
  });

  it.each<[string, ActionResultShape, 'invalid' | 'missing', RegExp]>([
    ['an absolute path', result({ outputFiles: [file('/etc/passwd', 'a')] }), 'invalid', /below the working directory/],
    ['a path out of it', result({ outputFiles: [file('a/../../b', 'a')] }), 'invalid', /below the working directory/],
    ['an empty path', result({ outputFiles: [file('', 'a')] }), 'invalid', /below/],
    ['a path with NUL', result({ outputFiles: [file('a\0b', 'a')] }), 'invalid', /below/],
    ['a file without digest', result({ outputFiles: [{ path: 'a', contents: none }] }), 'invalid', /no digest/],
    ['a short hash', withDigest({ hash: 'abc', sizeBytes: 1n }), 'invalid', /no sha256/],
    ['upper case', withDigest({ hash: 'A'.repeat(64), sizeBytes: 1n }), 'invalid', /no sha256/],
    ['a negative size', withDigest({ ...digest('a'), sizeBytes: -1n }), 'invalid', /size of -1/],
    ['an absurd size', withDigest({ ...digest('a'), sizeBytes: 2n ** 60n }), 'invalid', /size of/],
    ['size 0 of something', withDigest({ ...digest('a'), sizeBytes: 0n }), 'invalid', /sha256 of nothing/],
    [
      'two sizes of one hash',
      result({
        outputFiles: [file('a', 'a'), { path: 'b', contents: none, digest: { ...digest('a'), sizeBytes: 2n } }],
      }),
      'invalid',
      /1 bytes in one place and 2/,
    ],
    [
      'an absolute directory',
      result({ outputDirectories: [{ path: '/d', treeDigest: digest('tree') }] }),
      'invalid',
      /below/,
    ],
    ['a directory without digest', result({ outputDirectories: [{ path: 'd' }] }), 'invalid', /no digest/],
    [
      'a tree that is not here',
      result({ outputDirectories: [{ path: 'd', treeDigest: digest('elsewhere') }] }),
      'missing',
      /is not here/,
    ],
    [
      'a directory that is not here',
      result({ outputDirectories: [{ path: 'd', rootDirectoryDigest: digest('elsewhere') }] }),
      'missing',
      /is not here/,
    ],
    ['a link without target', result({ outputSymlinks: [{ path: 'l', target: '' }] }), 'invalid', /no target/],
    ['an absolute link', result({ outputFileSymlinks: [{ path: '/l', target: 'a' }] }), 'invalid', /below/],
  ])('refuses %s', async (_name, wrong, reason, message) => {
    const refused = await actionResultReferences(wrong, reader()).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ActionResultError);
    expect(refused).toMatchObject({ reason, message: expect.stringMatching(message) });
  });

  it('takes a link to an absolute target: BuildStream has them', async () => {
    expect(await actionResultReferences(result({ outputSymlinks: [{ path: 'l', target: '/usr' }] }), reader())).toEqual(
      [],
    );
  });
});

describe('inlined contents', () => {
  it('are those with a digest, once each', () => {
    const found = inlinedContents(
      result({
        outputFiles: [file('a', 'a', Buffer.from('a')), file('b', 'b'), file('c', 'a', Buffer.from('a'))],
        stdoutRaw: Buffer.from('said'),
        stdoutDigest: digest('said'),
        stderrRaw: Buffer.from('only inline'),
      }),
    );
    expect(found.map(({ blob }) => blob)).toEqual([blob('a'), blob('said')]);
  });
});

function withDigest(wrong: DigestShape): ActionResultShape {
  return result({ outputFiles: [{ path: 'a', digest: wrong, contents: none }] });
}
