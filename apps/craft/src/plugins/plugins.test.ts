import { type PartConfig as Part, type PartConfig, partSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { shellWord } from './plugin.js';
import { pluginOf } from './registry.js';

const part = (input: Record<string, unknown>): PartConfig => partSchema.parse(input) as Part;
const commands = (input: Record<string, unknown>, isGitSource = false) => {
  const config = part(input);
  return pluginOf(config).commands({ part: config, run: '/work/parts/app/run', isGitSource });
};

describe('command lines', () => {
  it('nil does nothing', () => {
    expect(commands({ plugin: 'nil' })).toEqual([]);
  });

  it('dump copies everything', () => {
    expect(commands({ plugin: 'dump', source: '.' })).toEqual([
      'cp --archive --no-dereference . "$CRAFT_PART_INSTALL"',
    ]);
  });

  it('dump of a git source leaves .git behind', () => {
    expect(commands({ plugin: 'dump', source: 'https://git.example/a.git' }, true)).toContain(
      'rm -rf "$CRAFT_PART_INSTALL/.git"',
    );
  });

  it('make passes its parameters to both runs, quoted', () => {
    expect(
      commands({ plugin: 'make', source: '.', 'make-parameters': ['PREFIX=/usr', "NAME=it's; rm -rf /"] }),
    ).toEqual([
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT" PREFIX=/usr 'NAME=it'\\''s; rm -rf /'`,
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT" install DESTDIR="$CRAFT_PART_INSTALL" PREFIX=/usr 'NAME=it'\\''s; rm -rf /'`,
    ]);
  });

  it('npm uses the lock file when there is one, once, and installs without development dependencies', () => {
    const lines = commands({ plugin: 'npm', source: '.' });
    expect(lines).toContain(
      'if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci; else npm install; fi',
    );
    expect(lines).toContain('npm prune --omit=dev --ignore-scripts');
    expect(lines.filter((line) => /npm (ci|install)\b/.test(line))).toHaveLength(1);
    expect(lines.at(-1)).toBe(
      'node /work/parts/app/run/npm-install.cjs /work/parts/app/run/npm/package "$CRAFT_PART_INSTALL"',
    );
  });

  it('npm sends no audit', () => {
    const config = part({ plugin: 'npm', source: '.' });
    expect(pluginOf(config).environment({ part: config, run: '/r', isGitSource: false })).toMatchObject({
      npm_config_audit: 'false',
    });
  });
});

describe('shellWord', () => {
  it.each([
    ['plain-1.0/x', 'plain-1.0/x'],
    ['', "''"],
    ['$HOME', "'$HOME'"],
    ["a'b", "'a'\\''b'"],
    ['a\nb', "'a\nb'"],
  ])('%j', (text, wanted) => {
    expect(shellWord(text)).toBe(wanted);
  });
});
