import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readGoSum } from './go-sum.js';
import { type LockedEntry, LockFileError } from './locked.js';
import { readPackageLock } from './package-lock.js';
import { readPnpmLock } from './pnpm-lock.js';
import { readRequirements } from './requirements.js';
import { readCargoLock, readUvLock } from './toml-locks.js';
import { readYarnLock } from './yarn-lock.js';

const hex = createHash('sha512').update('x').digest('hex');
const integrity = `sha512-${Buffer.from(hex, 'hex').toString('base64')}`;
const sha256 = createHash('sha256').update('x').digest('hex');
const sum = `h1:${'A'.repeat(43)}=`;
const strong = [{ algorithm: 'sha512', hex }];
const plain = [{ algorithm: 'sha256', hex: sha256 }];
const npm = (name: string, version: string, url?: string) => ({
  ecosystem: 'npm',
  name,
  version,
  digests: strong,
  url,
});

type Read = (text: string) => readonly LockedEntry[];

const packageLock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages });
const pnpm9 = `lockfileVersion: '9.0'\nsettings:\n  autoInstallPeers: true\npackages:\n\n  '@s/a@1.0.0':\n    resolution: {integrity: ${integrity}}\n    engines: {node: '>=4'}\n\n  b@2.0.0:\n    resolution: {integrity: ${integrity}, tarball: https://cdn.example/b.tgz}\nsnapshots:\n  b@2.0.0: {}\n`;
const yarn1 = `# yarn lockfile v1\n\n\n"@s/a@^1.0.0", "@s/a@^1.1":\n  version "1.2.0"\n  resolved "https://registry.example/@s/a/-/a-1.2.0.tgz#abc"\n  integrity ${integrity}\n  dependencies:\n    b "^2.0.0"\n\nb@^2.0.0:\n  version "2.0.0"\n  integrity ${integrity}\n\nold@npm:c@^1:\n  version "1.0.0"\n  integrity ${integrity}\n\ngitty@https://git.example/x.git:\n  version "1.0.0"\n  resolved "https://git.example/x.git#abc"\n`;
const requirements = `# made by pip-compile\n--index-url https://index.registry.example/simple\nLeft_Pad[x]==1.2.0 ; python_version > "3" \\\n    --hash=sha256:${sha256} \\\n    --hash=sha512:${hex}  # and more\nother @ https://x.example/o.whl --hash=sha256:${sha256}\nloose>=1\nweak==1 --hash=md5:abc\n`;
const uv = `version = 1\n\n[[package]]\nname = "Left.Pad"\nversion = "1.2.0"\nsource = { registry = "https://index.registry.example/simple" }\nsdist = { url = "https://files.registry.example/a/left_pad-1.2.0.tar.gz", hash = "sha256:${sha256}", size = 1 }\nwheels = [\n  { url = "https://files.registry.example/a/left_pad-1.2.0-py3-none-any.whl#x", hash = "sha256:${sha256}" },\n  { url = "https://files.registry.example/a/no-hash.whl" },\n]\n\n[[package]]\nname = "own"\nversion = "0"\nsource = { editable = "." }\n`;
const cargo = `version = 3\n\n[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+https://index.registry.example"\nchecksum = "${sha256}"\n\n[[package]]\nname = "own"\nversion = "0.1.0"\n`;
const goSum = `mod.example/a v1.0.0 ${sum}\nmod.example/a v1.0.0/go.mod ${sum}\nmod.example/b v1.0.0 h2:abc\n\n`;

describe('lock files', () => {
  it.each<[string, Read, string, object[]]>([
    [
      'package-lock.json 3',
      readPackageLock,
      packageLock({
        '': { name: 'own', version: '0' },
        'node_modules/a': { version: '1.0.0', resolved: 'https://registry.example/a/-/a-1.0.0.tgz', integrity },
        'node_modules/a/node_modules/@s/b': { version: '2.0.0', integrity },
        'node_modules/alias': { name: 'real', version: '3.0.0', integrity },
        'node_modules/git': { version: '1.0.0', resolved: 'git+ssh://git.example/x.git#abc', integrity },
        'node_modules/own': { resolved: 'packages/own', link: true },
        'node_modules/none': { version: '1.0.0' },
      }),
      [npm('a', '1.0.0', 'https://registry.example/a/-/a-1.0.0.tgz'), npm('@s/b', '2.0.0'), npm('real', '3.0.0')],
    ],
    [
      'package-lock.json 1',
      readPackageLock,
      JSON.stringify({
        lockfileVersion: 1,
        dependencies: {
          a: { version: '1.0.0', integrity, dependencies: { b: { version: '2.0.0', integrity } } },
          alias: { version: 'npm:@s/c@3.0.0', integrity },
        },
      }),
      [npm('a', '1.0.0'), npm('b', '2.0.0'), npm('@s/c', '3.0.0')],
    ],
    ['pnpm-lock.yaml 9', readPnpmLock, pnpm9, [npm('@s/a', '1.0.0'), npm('b', '2.0.0', 'https://cdn.example/b.tgz')]],
    [
      'pnpm-lock.yaml 6',
      readPnpmLock,
      `lockfileVersion: '6.0'\npackages:\n  /@s/a@1.0.0(b@2.0.0):\n    resolution: {integrity: ${integrity}}\n`,
      [npm('@s/a', '1.0.0')],
    ],
    [
      'pnpm-lock.yaml 5',
      readPnpmLock,
      `lockfileVersion: 5.4\npackages:\n  /@s/a/1.0.0_b@2.0.0:\n    resolution: {integrity: ${integrity}}\n`,
      [npm('@s/a', '1.0.0')],
    ],
    [
      'pnpm-lock.yaml with settings in front',
      readPnpmLock,
      `lockfileVersion: '9.0'\npackages: {}\n\n---\n${pnpm9}`,
      [npm('@s/a', '1.0.0'), npm('b', '2.0.0', 'https://cdn.example/b.tgz')],
    ],
    [
      'yarn.lock 1',
      readYarnLock,
      yarn1,
      [npm('@s/a', '1.2.0', 'https://registry.example/@s/a/-/a-1.2.0.tgz'), npm('b', '2.0.0'), npm('c', '1.0.0')],
    ],
    [
      'requirements.txt',
      readRequirements,
      requirements,
      [
        { ecosystem: 'pip', name: 'left-pad', version: '1.2.0', digests: [...plain, ...strong] },
        { ecosystem: 'pip', name: 'other', version: '', digests: plain },
      ],
    ],
    [
      'uv.lock',
      readUvLock,
      uv,
      ['left_pad-1.2.0.tar.gz', 'left_pad-1.2.0-py3-none-any.whl'].map((file) => ({
        ...{ ecosystem: 'pip', name: 'left-pad', version: '1.2.0', digests: plain, file },
      })),
    ],
    ['Cargo.lock', readCargoLock, cargo, [{ ecosystem: 'cargo', name: 'a', version: '1.0.0', digests: plain }]],
    [
      'Cargo.lock 1',
      readCargoLock,
      `[metadata]\n"checksum a 1.0.0 (registry+https://index.registry.example)" = "${sha256}"\n"checksum b 1.0.0 (git+x)" = "<none>"\n`,
      [{ ecosystem: 'cargo', name: 'a', version: '1.0.0', digests: plain }],
    ],
    [
      'go.sum',
      readGoSum,
      goSum,
      (['zip', 'mod'] as const).map((part) => ({
        ...{ ecosystem: 'go', name: 'mod.example/a', version: 'v1.0.0', digests: [], sum: { part, text: sum } },
      })),
    ],
  ])('reads %s', (_name, read, text, wanted) => {
    expect(read(text)).toEqual(wanted);
    expect(read(text.replaceAll('\n', '\r\n')).length).toBe(wanted.length);
  });

  it.each<[string, Read, string, RegExp]>([
    ['JSON that is none', readPackageLock, '{', /not JSON/],
    ['a package-lock of a later version', readPackageLock, '{"lockfileVersion":4}', /lockfileVersion 4, expected/],
    ['a package.json', readPackageLock, '{"name":"a"}', /lockfileVersion undefined/],
    [
      'a package-lock that nests without end',
      readPackageLock,
      `{"lockfileVersion":1,"dependencies":${'{"a":{"dependencies":'.repeat(300)}{}${'}}'.repeat(300)}}`,
      /nests deeper/,
    ],
    ['YAML that is none', readPnpmLock, 'a: [', /not YAML|lockfileVersion/],
    [
      'YAML that doubles itself',
      readPnpmLock,
      `a: &a [x]\nb: &b [*a,*a]\nlockfileVersion: 9\npackages: *b\n`,
      /not YAML/,
    ],
    ['a pnpm-lock of a later version', readPnpmLock, 'lockfileVersion: 10\n', /lockfileVersion/],
    ['a yarn.lock of yarn 4', readYarnLock, '__metadata:\n  version: 8\n', /yarn 2 or later.*leave it out/],
    ['what is no yarn.lock', readYarnLock, 'hello\n', /line 1 is no entry/],
    ['hashes of nothing', readRequirements, `--hash=sha256:${sha256}\n`, /line 1 has hashes of something/],
    ['a line without end', readRequirements, 'a \\\n'.repeat(400_000), /longer than 1 MiB/],
    ['TOML that is none', readCargoLock, '[[package', /not TOML/],
    ['TOML that is none, of uv', readUvLock, 'a = ', /not TOML/],
    ['a go.sum with other lines', readGoSum, 'mod.example/a v1\n', /line 1 is not/],
    ['a go.sum with too many words', readGoSum, `a b ${sum} d\n`, /line 1 is not/],
  ])('refuses %s', (_name, read, text, reason) => {
    expect(() => read(text)).toThrow(LockFileError);
    expect(() => read(text)).toThrow(reason);
  });

  it.each<[string, Read, string]>([
    ['package-lock.json', readPackageLock, packageLock({ 'node_modules/__proto__': { version: '1.0.0', integrity } })],
    ['yarn.lock', readYarnLock, `__proto__@1:\n  version "1.0.0"\n  integrity ${integrity}\n`],
  ])('a name like a member of every object is a name in %s', (_name, read, text) => {
    expect(read(text)).toMatchObject([{ name: '__proto__' }]);
    expect(({} as Record<string, unknown>).version).toBeUndefined();
  });

  it('an entry without a name is none', () => {
    expect(readYarnLock(`:\n  version "1.0.0"\n  integrity ${integrity}\n`)).toEqual([]);
  });

  it('takes the strongest digest alone, and nothing weak', () => {
    const sha1 = `sha1-${createHash('sha1').update('x').digest('base64')}`;
    const read = (text: string) =>
      readPackageLock(packageLock({ 'node_modules/a': { version: '1.0.0', integrity: text } }));
    expect(read(`${sha1} ${integrity}`)[0]?.digests).toEqual(strong);
    expect(read(sha1)[0]?.digests).toMatchObject([{ algorithm: 'sha1' }]);
    expect(read('md5-abc')).toEqual([]);
    expect(readCargoLock(cargo.replace(sha256, 'abc'))).toEqual([]);
  });

  it.each<[string, Read, string]>([
    ['package-lock.json', readPackageLock, packageLock({ 'node_modules/a': { version: '1.0.0', integrity } })],
    ['pnpm-lock.yaml', readPnpmLock, pnpm9],
    ['yarn.lock', readYarnLock, yarn1],
    ['requirements.txt', readRequirements, requirements],
    ['uv.lock', readUvLock, uv],
    ['Cargo.lock', readCargoLock, cargo],
    ['go.sum', readGoSum, goSum],
  ])('reads whatever comes as %s, or says what is wrong', (_name, read, text) => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('"', '\n', '  ', '\\', '[', '{', ':', '&a', '*a', '__proto__'),
    );
    const edit = fc.record({ at: fc.nat(text.length), cut: fc.nat(40), piece });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const changed = edits.reduce(
          (now, { at, cut, piece: put }) => now.slice(0, at) + put + now.slice(at + cut),
          text,
        );
        try {
          for (const { name, digests, sum: found } of read(changed)) {
            expect(name).not.toBe('');
            expect(digests.length > 0 || found !== undefined).toBe(true);
          }
        } catch (error) {
          if (!(error instanceof LockFileError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
  });
});
