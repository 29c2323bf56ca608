import { describe, expect, it } from 'vitest';
import { manifestBytes, parseManifest, referencesOf } from './manifest.js';

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const base = {
  format: 1,
  project: 'demo',
  part: 'app',
  platform: 'amd64',
  key: a,
  files: [
    { type: 'directory', path: 'install', mode: 0o755 },
    { type: 'file', path: 'install/x', mode: 0o644, sha256: b, size: 3 },
  ],
  'built-by': 'test 1',
  'created-at': '2026-11-20T12:00:00.000Z',
} as const;

function bytes(change: Record<string, unknown>): Buffer {
  return Buffer.from(JSON.stringify({ ...base, ...change }));
}

const file = { type: 'file', mode: 0o644, sha256: b, size: 3 };
const install = { type: 'directory', path: 'install', mode: 0o755 };

describe('manifest', () => {
  it('is the same bytes whatever the order of keys', () => {
    const turned = Object.fromEntries(Object.entries(base).reverse()) as unknown as typeof base;
    expect(manifestBytes({ ...turned, files: [...base.files] })).toEqual(
      manifestBytes({ ...base, files: [...base.files] }),
    );
  });

  it('names each blob once', () => {
    const manifest = parseManifest(bytes({ record: { sha256: b, size: 3 } }));
    expect(referencesOf(manifest)).toEqual([{ sha256: b, size: 3 }]);
  });

  it('refuses a blob of two sizes', () => {
    const manifest = parseManifest(bytes({ record: { sha256: b, size: 4 } }));
    expect(() => referencesOf(manifest)).toThrow('two sizes');
  });

  it.each<[string, unknown]>([
    ['a path that climbs', [install, { ...file, path: 'install/../../etc/passwd' }]],
    ['an absolute path', [{ ...file, path: '/etc/passwd' }]],
    ['an empty segment', [install, { ...file, path: 'install//x' }]],
    ['a single dot', [install, { ...file, path: 'install/./x' }]],
    ['a zero byte', [install, { ...file, path: 'install/x\u0000' }]],
    ['a lone surrogate', [install, { ...file, path: 'install/\ud800' }]],
    ['a file without its directory', [{ ...file, path: 'install/x' }]],
    ['a file as a tree', [{ ...file, path: 'install' }]],
    ['the same path twice', [install, { ...file, path: 'install/x' }, { ...file, path: 'install/x' }]],
    [
      'a file below a link',
      [install, { type: 'symlink', path: 'install/d', target: '/' }, { ...file, path: 'install/d/x' }],
    ],
    ['a file below a file', [install, { ...file, path: 'install/d' }, { ...file, path: 'install/d/x' }]],
    ['another order', [install, { ...file, path: 'install/y' }, { ...file, path: 'install/x' }]],
    ['a set-user-id mode', [install, { ...file, path: 'install/x', mode: 0o4755 }]],
    ['a digest in capitals', [install, { ...file, path: 'install/x', sha256: 'B'.repeat(64) }]],
    ['a negative size', [install, { ...file, path: 'install/x', size: -1 }]],
    ['an unknown type', [install, { type: 'device', path: 'install/x' }]],
    ['an empty target', [install, { type: 'symlink', path: 'install/x', target: '' }]],
  ])('refuses %s', (_what, files) => {
    expect(() => parseManifest(bytes({ files }))).toThrow(expect.objectContaining({ code: 'CACHE_ARTIFACT_DAMAGED' }));
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no JSON', Buffer.from('<html>')],
    ['bad UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['a later format', bytes({ format: 2 })],
    ['an unknown key', bytes({ extra: true })],
    ['a key that is none', bytes({ key: 'abc' })],
  ])('refuses %s', (_what, document) => {
    expect(() => parseManifest(document)).toThrow(expect.objectContaining({ code: 'CACHE_ARTIFACT_DAMAGED' }));
  });
});
