import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { privatePaths } from './private-paths.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'waybill-private-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const file = (name: string, mode: number) => {
  writeFileSync(join(root, name), '');
  chmodSync(join(root, name), mode);
};
const directory = (name: string, mode: number) => {
  mkdirSync(join(root, name));
  chmodSync(join(root, name), mode);
};

describe('privatePaths', () => {
  it('finds what not everybody may read, and looks no further there', () => {
    file('open', 0o644);
    file('secret', 0o640);
    directory('public', 0o755);
    file('public/key', 0o600);
    directory('private', 0o700);
    file('private/key', 0o600);
    symlinkSync('secret', join(root, 'link'));
    expect(privatePaths([[root, 3]]).sort((a, b) => a.path.localeCompare(b.path))).toEqual([
      { path: join(root, 'private'), isDirectory: true },
      { path: join(root, 'public/key'), isDirectory: false },
      { path: join(root, 'secret'), isDirectory: false },
    ]);
  });

  it('stops at its depth and takes a missing place for an empty one', () => {
    directory('public', 0o755);
    file('public/key', 0o600);
    expect(
      privatePaths([
        [root, 1],
        [join(root, 'none'), 2],
      ]),
    ).toEqual([]);
  });
});
