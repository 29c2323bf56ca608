import { gzipSync, zstdCompressSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { xzBomb } from '../../test/apt-captured.js';
import { base, dists, hex, packageParagraph } from '../../test/apt-fixtures.js';
import { createScenario, debPath, packagesUrl, type Scenario, type ScenarioOptions } from '../../test/apt-scenario.js';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { chunked } from '../../test/fakes.js';
import { parseCommands } from './commands.js';
import { countTranslations } from './translations.js';

const packages = 'main/binary-amd64/Packages.gz';
const translation = 'main/i18n/Translation-en.gz';
const commands = 'main/cnf/Commands-amd64.gz';
let scenario: Scenario;
beforeAll(async () => {
  scenario = await createScenario();
});
const file = (path: string) => scenario.files[path] ?? Buffer.alloc(0);

/** What an inspector says of an index that the release lists, whatever it holds. */
async function listed(id: string, path: string, options: ScenarioOptions & { body?: Uint8Array }) {
  const files: Record<string, Uint8Array> = options.body ? { [path]: options.body } : {};
  const made = await createScenario({ ...options, ...(options.body && { release: { files } }) });
  const session = createFakeSession({ inspectors: made.inspectors });
  await made.trustRelease(session);
  const { artifact, result } = await session.download(`${dists}/${path}`, {
    body: options.body ?? made.files[path] ?? '',
  });
  return { found: artifact.get(id), result };
}

describeInspector({
  id: 'apt.packages',
  inspectors: () => scenario.inspectors,
  good: {
    name: 'approves a Packages file that a trusted release lists',
    request: packagesUrl,
    before: (session) => scenario.trustRelease(session),
    response: () => ({ body: file(packages) }),
    opinion: 'Approved',
    reason: /lists 1 packages and is listed in a trusted release/,
    metadata: {
      type: 'application/x.apt.packages',
      name: 'Packages',
      version: 'bookworm',
      vendor: 'Test',
      author: 'Test',
      description: 'stable main',
      architecture: 'amd64',
      'apt-suite': 'stable',
    },
    annotations: { 'package-count': 1 },
  },
  cases: [
    {
      name: 'refuses a digest that the release does not list',
      request: `${dists}/main/binary-amd64/by-hash/SHA256/${'0'.repeat(64)}`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: file(packages) }),
      opinion: 'Rejected',
      reason: /does not list a file in main\/binary-amd64 with sha256 0000.*run apt-get update again/,
    },
    {
      name: 'refuses it before its release',
      request: packagesUrl,
      response: () => ({ body: file(packages) }),
      opinion: 'Rejected',
      reason: /asked for before its release/,
    },
    {
      name: 'refuses another file, with both digests',
      request: packagesUrl,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: flip(file(packages)) }),
      opinion: 'Rejected',
      reason:
        /^Packages file has sha256 [0-9a-f]{64}, the trusted InRelease of 2026-01-14T12:00:00\.000Z lists [0-9a-f]{64}: the mirror is in the middle of an update or was tampered with; run apt-get update again$/,
      annotations: { 'file-path': packages },
    },
    {
      name: 'refuses a file of another size',
      request: packagesUrl,
      before: (session) => scenario.trustRelease(session),
      response: { body: 'Package: x\n' },
      opinion: 'Rejected',
      reason: /has 11 bytes, the trusted InRelease of .* lists \d+/,
    },
    {
      name: 'refuses a variant that the release does not list',
      request: `${dists}/main/binary-amd64/Packages.zst`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: zstdCompressSync('') }),
      opinion: 'Rejected',
      reason: /does not list main\/binary-amd64\/Packages\.zst/,
    },
    {
      name: 'refuses an index of one directory at the place of another',
      request: `${dists}/main/binary-arm64/Packages.gz`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: file(packages) }),
      opinion: 'Rejected',
      reason: /does not list main\/binary-arm64\/Packages\.gz/,
    },
    {
      name: 'reads a file that is served with Content-Encoding for its own compression',
      request: packagesUrl,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: file(packages), contentEncoding: 'gzip' }),
      opinion: 'Approved',
    },
    {
      name: 'reads a plain file that was compressed on the way',
      request: `${dists}/main/binary-amd64/Packages`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: gzipSync(file('main/binary-amd64/Packages')), contentEncoding: 'gzip' }),
      opinion: 'Approved',
    },
  ],
});

describe('apt.packages', () => {
  it.each(['SHA256'] as const)('approves by %s', async (algorithm) => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustRelease(session);
    const { result } = await session.download(scenario.byHash(packages, algorithm), { body: file(packages) });
    expect(result).toBe('Approved');
  });

  it('approves by SHA512 when the release lists it', async () => {
    const more = `SHA512:\n ${hex('sha512', file(packages))} ${file(packages).length} ${packages}\n`;
    const strong = await createScenario({ release: { files: scenario.files, more } });
    const session = createFakeSession({ inspectors: strong.inspectors });
    await strong.trustRelease(session);
    const { result, vouched } = await session.download(strong.byHash(packages, 'SHA512'), { body: file(packages) });
    expect(result).toBe('Approved');
    expect(vouched[0]?.digests.map(({ algorithm }) => algorithm)).toEqual(['sha256', 'sha512']);
  });

  it('refuses by-hash for a file of another directory or family, although the release lists its digest', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustRelease(session);
    const sha = hex('sha256', file(packages));
    for (const directory of ['main/binary-arm64', 'main/i18n', 'main/cnf', 'extra/binary-amd64']) {
      const url = `${dists}/${directory}/by-hash/SHA256/${sha}`;
      expect((await session.download(url, { body: file(packages) })).result).toBe('Rejected');
    }
  });

  it('offers its packages under the origin, and links to the release', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustRelease(session);
    const { artifact } = await session.download(packagesUrl, { body: file(packages) });
    const found = artifact.get('apt.packages');
    const sha256 = hex('sha256', scenario.inRelease);
    expect(found?.vouchedBy).toEqual([{ kind: 'artifact', sha256, inspector: 'apt.release', name: 'apt.release' }]);
    expect(found?.annotations).toMatchObject({ 'release-file': sha256 });
    expect(found?.provides).toEqual([
      {
        scope: `apt.packages:${base}`,
        kind: 'apt.packages',
        attributes: { suite: 'stable', codename: 'bookworm', vendor: 'Test', component: 'main' },
      },
    ]);
  });

  it.each<[string, string, RegExp]>([
    [
      'a package without digest',
      packageParagraph('x', { SHA256: undefined }),
      /Packages file the paragraph \("hello"\).*lacks sha256/,
    ],
    ['text', 'hello\n', /no field/],
    ['two packages that disagree', packageParagraph('x') + packageParagraph('y'), /disagree/],
  ])('refuses %s, signed or not', async (_name, text, reason) => {
    const { found, result } = await listed('apt.packages', packages, { packages: text });
    expect(found).toMatchObject({ opinion: 'Rejected', annotations: { 'error-msg': expect.any(String) } });
    expect(found?.reason).toMatch(reason);
    expect(result).toBe('Rejected');
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['bzip2 that is cut off', Buffer.from('BZh91AY&SY'), /damaged bzip2 data: it is cut off/],
    ['lz4', Buffer.from('\x04\x22\x4d\x18', 'latin1'), /compressed with lz4, expected xz, gzip, zstd, bzip2 or no/],
    ['cut gzip', gzipSync(packageParagraph('x')).subarray(0, 60), /damaged gzip/],
    ['zeros in xz', Buffer.from(xzBomb, 'base64'), /line of more than 1048576/],
  ])('refuses %s that the release lists', async (_name, body, reason) => {
    const { found } = await listed('apt.packages', packages, { body });
    expect(found).toMatchObject({ opinion: 'Rejected' });
    expect(found?.reason).toMatch(reason);
  });

  it('approves an empty Packages file', async () => {
    expect((await listed('apt.packages', packages, { packages: '' })).found).toMatchObject({
      opinion: 'Approved',
      annotations: { 'package-count': 0 },
    });
  });

  it('knows a listed package, and leaves its content to `deb`', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustPackages(session);
    const { artifact, vouched } = await session.download(`${base}/${debPath}`, { body: scenario.deb });
    expect(artifact.get('apt.packages')).toMatchObject({
      opinion: 'Unknown',
      annotations: {
        'packages-name': 'hello',
        'packages-version': '1.0-1',
        'packages-architecture': 'amd64',
        'packages-size': scenario.deb.length,
        'packages-file': hex('sha256', file(packages)),
        'packages-is-valid': true,
        dist: 'stable',
        component: 'main',
      },
    });
    expect(vouched).toMatchObject([{ size: scenario.deb.length, vouchedBy: { inspector: 'apt.packages' } }]);
  });
});

describeInspector({
  id: 'apt.translations',
  inspectors: () => scenario.inspectors,
  good: {
    name: 'approves a Translation file that a trusted release lists',
    request: `${dists}/${translation}`,
    before: (session) => scenario.trustRelease(session),
    response: () => ({ body: file(translation) }),
    opinion: 'Approved',
    metadata: {
      type: 'application/x.apt.translation',
      name: 'Translation',
      vendor: 'Test',
      description: 'stable main en',
      'apt-suite': 'stable',
    },
    annotations: { 'description-count': 1 },
  },
  cases: [
    {
      name: 'approves it by name without compression',
      request: `${dists}/main/i18n/Translation-en`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: file('main/i18n/Translation-en') }),
      opinion: 'Approved',
    },
    {
      name: 'refuses it before its release',
      request: `${dists}/${translation}`,
      response: () => ({ body: file(translation) }),
      opinion: 'Rejected',
      reason: /before its release/,
    },
    {
      name: 'refuses a language that is not listed',
      request: `${dists}/main/i18n/Translation-de.gz`,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: file(translation) }),
      opinion: 'Rejected',
      reason: /does not list main\/i18n\/Translation-de\.gz/,
    },
    { name: 'does not claim Packages', request: packagesUrl, claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'apt.commands',
  inspectors: () => scenario.inspectors,
  good: {
    name: 'approves a Commands file that a trusted release lists',
    request: `${dists}/${commands}`,
    before: (session) => scenario.trustRelease(session),
    response: () => ({ body: file(commands) }),
    opinion: 'Approved',
    metadata: {
      type: 'application/x.apt.commands',
      name: 'Commands',
      vendor: 'Test',
      description: 'stable main',
      architecture: 'amd64',
      'apt-suite': 'stable',
    },
    annotations: { suite: 'stable', component: 'main', arch: 'amd64', count: 2 },
  },
  cases: [
    {
      name: 'refuses it before its release',
      request: `${dists}/${commands}`,
      response: () => ({ body: file(commands) }),
      opinion: 'Rejected',
      reason: /before its release/,
    },
    { name: 'does not claim Translation', request: `${dists}/${translation}`, claim: 'unclaimed' },
  ],
});

describe('what Translation and Commands files hold', () => {
  const paragraph = 'Package: a\nDescription-md5: 0\nDescription-de: b\n c\n\n';
  const stream = (text: string | Buffer) => chunked(Buffer.from(text), 7) as AsyncIterable<Buffer>;

  it.each<[string, string, number]>([
    ['nothing', '', 0],
    ['one description', paragraph, 1],
    ['three, without last line end', (paragraph + paragraph + paragraph).trimEnd(), 3],
  ])('counts %s', async (_name, text, count) => {
    expect(await countTranslations(stream(text))).toBe(count);
  });

  it.each<[string, string, RegExp]>([
    ['no Package', paragraph.replace('Package: a\n', ''), /lacks Package/],
    ['no description', paragraph.replace(/Description-de.*\n c\n/, ''), /lacks Description-<language>/],
    ['no md5', paragraph.replace('Description-md5: 0\n', ''), /lacks Description-md5/],
    ['two descriptions', paragraph.replace(' c\n', 'Description-fr: x\n'), /second time/],
    ['another field', `Version: 1\n${paragraph}`, /none of its fields/],
    ['text', 'hello\n', /none of its fields/],
    ['a continuation of nothing', ` x\n${paragraph}`, /continues/],
  ])('refuses a Translation with %s', async (_name, text, reason) => {
    await expect(countTranslations(stream(text))).rejects.toThrow(reason);
  });

  const header = 'suite: a\ncomponent: b\narch: c\n\n';
  const entry = 'name: x\nversion: 1\ncommands: y\n\n';

  it.each<[string, string, number]>([
    ['a header alone', header.trimEnd(), 0],
    ['entries', header + entry + entry, 2],
    ['further fields of entries', `${header}${entry.trimEnd()}\npriority-bonus: 3\nignore-commands: z\n`, 1],
  ])('counts %s', async (_name, text, count) => {
    expect(await parseCommands(stream(text))).toEqual({ suite: 'a', component: 'b', arch: 'c', count });
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /no header/],
    ['no header', entry, /header has the field "name"/],
    ['half a header', 'suite: a\narch: c\n\n', /header that ends at line 3 lacks component/],
    ['a header with more', `extra: x\n${header}`, /header has the field "extra"/],
    ['an entry without version', header + entry.replace('version: 1\n', ''), /lacks version/],
    ['an entry with two names', `${header}name: a\n${entry}`, /second time/],
    ['text', 'hello world\n', /no field/],
    ['a continuation of nothing', ` x\n${header}`, /continues/],
  ])('refuses a Commands file with %s', async (_name, text, reason) => {
    await expect(parseCommands(stream(text))).rejects.toThrow(reason);
  });

  it.each<[string, string, ScenarioOptions, RegExp]>([
    ['apt.translations', translation, { translation: 'hello\n' }, /Translation file line 1/],
    ['apt.commands', commands, { commands: 'hello\n' }, /Commands file line 1/],
  ])('makes %s refuse such a file, signed or not', async (id, path, options, reason) => {
    const { found, result } = await listed(id, path, options);
    expect(found).toMatchObject({ opinion: 'Rejected' });
    expect(found?.reason).toMatch(reason);
    expect(result).toBe('Rejected');
  });
});

function flip(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[5] = (copy[5] ?? 0) ^ 1;
  return copy;
}
