import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  aptConfig,
  base,
  buildDeb,
  clearsign,
  dists,
  hex,
  packageParagraph,
  releaseText,
  sourceParagraph,
} from '../../test/apt-fixtures.js';
import { scenarioKey } from '../../test/apt-scenario.js';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { chunked } from '../../test/fakes.js';
import type { Inspector } from '../inspector.js';
import { FormatProblem } from './format-problem.js';
import { aptInspectors } from './index.js';
import { parseSources } from './sources-index.js';

const dsc = 'Format: 3.0 (native)\nSource: a\nVersion: 1\nChecksums-Sha256:\n 00 3 a_1.tar.xz\n';
const tar = 'the archive';
const dscUrl = `${base}/pool/main/a/a/a_1.dsc`;
const tarUrl = `${base}/pool/main/a/a/a_1.tar.xz`;
const sourcesUrl = `${dists}/main/source/Sources.gz`;

let inspectors: readonly Inspector[];
let sources: Buffer;
let inRelease: string;

async function setUp(paragraphs: string): Promise<{ inRelease: string; sources: Buffer }> {
  const file = gzipSync(paragraphs);
  const text = releaseText({ files: { 'main/source/Sources.gz': file } });
  return { sources: file, inRelease: await clearsign(text, await scenarioKey()) };
}

beforeAll(async () => {
  inspectors = aptInspectors(aptConfig(await scenarioKey()));
  ({ sources, inRelease } = await setUp(sourceParagraph({ 'a_1.dsc': dsc, 'a_1.tar.xz': tar })));
});

async function trust(session: FakeSession, made = { inRelease, sources }): Promise<void> {
  for (const [url, body] of [
    [`${dists}/InRelease`, made.inRelease],
    [sourcesUrl, made.sources],
  ] as const) {
    const { artifact, result } = await session.download(url, { body });
    expect(result, [...artifact.values()].map(({ reason }) => reason).join()).toBe('Approved');
  }
}

describeInspector({
  id: 'apt.sources',
  inspectors: () => inspectors,
  good: {
    name: 'approves a .dsc that a trusted index lists',
    request: dscUrl,
    before: trust,
    response: () => ({ body: dsc }),
    opinion: 'Approved',
    reason: /part of a 1 as listed in a trusted Sources index/,
    metadata: {
      type: 'text/x-debian-source-package',
      name: 'a',
      version: '1',
      architecture: 'source',
      'source-package': 'a',
      purl: 'pkg:deb/test/a@1?arch=source&distro=bookworm',
    },
    annotations: { dist: 'stable', component: 'main' },
  },
  cases: [
    {
      name: 'approves an archive that a trusted index lists',
      request: tarUrl,
      before: trust,
      response: { body: tar },
      opinion: 'Approved',
      metadata: { type: 'application/x.apt.source', description: 'a_1.tar.xz' },
    },
    {
      name: 'approves the index that the release lists',
      request: sourcesUrl,
      before: async (session) => void (await session.download(`${dists}/InRelease`, { body: inRelease })),
      response: () => ({ body: sources }),
      opinion: 'Approved',
      reason: /lists 2 source files/,
      annotations: { 'file-count': 2 },
    },
    {
      name: 'refuses a file before any index, and says what to do',
      request: tarUrl,
      response: { body: tar },
      opinion: 'Rejected',
      reason: /no Sources index of .* is trusted.*run apt-get update with its deb-src line in the same session/,
    },
    {
      name: 'refuses a file that is not listed',
      request: `${base}/pool/main/a/a/a_2.dsc`,
      before: trust,
      response: { body: dsc },
      opinion: 'Rejected',
      reason: /none of the 1 trusted Sources indexes lists pool\/main\/a\/a\/a_2\.dsc/,
    },
    {
      name: 'refuses the bytes of another listed file',
      request: tarUrl,
      before: trust,
      response: { body: dsc },
      opinion: 'Rejected',
      reason: /has \d+ bytes, the trusted Sources index lists 11/,
    },
    {
      name: 'refuses an index with a changed byte',
      request: sourcesUrl,
      before: async (session) => void (await session.download(`${dists}/InRelease`, { body: inRelease })),
      response: () => ({ body: Buffer.concat([sources, Buffer.from('x')]) }),
      opinion: 'Rejected',
      reason: /release|InRelease/,
    },
    { name: 'claims no other archive', request: `${base}/pool/a-1.tar.gz`, claim: 'unclaimed' },
    { name: 'claims nothing elsewhere', request: 'http://other.example/pool/a_1.dsc', claim: 'unclaimed' },
  ],
});

describe('apt.sources', () => {
  it.each([
    ['another source', 'Source: b\nVersion: 1\n', /the \.dsc is of b 1, the trusted Sources index lists a 1/],
    ['another version', 'Source: a\nVersion: 2\n', /the \.dsc is of a 2/],
    ['neither', 'Format: 1.0\n', /lacks Source or Version/],
    ['two paragraphs', 'Source: a\nVersion: 1\n\nSource: b\nVersion: 1\n', /2 paragraphs/],
    ['bad UTF-8', Buffer.from([0xff, 0xfe]), /not valid UTF-8/],
    ['a clearsigned form that is cut off', '-----BEGIN PGP SIGNED MESSAGE-----\n\nSource: a\nVersion: 1\n', /cut off/],
  ])('refuses a listed .dsc that names %s', async (_name, body, reason) => {
    const made = await setUp(sourceParagraph({ 'a_1.dsc': body }));
    const session = createFakeSession({ inspectors });
    await trust(session, made);
    const { artifact, result } = await session.download(dscUrl, { body });
    expect(result).toBe('Rejected');
    expect(artifact.get('apt.sources')?.reason).toMatch(reason);
  });

  it('fetches the index that the client still has from before', async () => {
    const session = createFakeSession({ inspectors, companions: { [sourcesUrl]: sources } });
    await session.download(`${dists}/InRelease`, { body: inRelease });
    const { artifact, result } = await session.download(tarUrl, { body: tar });
    expect(result, artifact.get('apt.sources')?.reason).toBe('Approved');
    expect(artifact.get('apt.sources')?.annotations).toMatchObject({ 'sources-fetched-from': sourcesUrl });
  });
});

async function parse(text: string) {
  return parseSources(chunked(Buffer.from(text), 61) as AsyncIterable<Buffer>);
}

describe('parseSources', () => {
  it('keeps an archive that two versions share once', async () => {
    const index = await parse(
      sourceParagraph({ 'a_1.dsc': 'x', 'a_0.orig.tar.gz': 'same' }) +
        sourceParagraph({ 'a_2.dsc': 'y', 'a_0.orig.tar.gz': 'same' }, { Version: '2' }),
    );
    expect(index.find('pool/main/a/a/a_0.orig.tar.gz')?.sha256).toBe(hex('sha256', 'same'));
    expect(index.find('pool/main/a/a/a_2.dsc')).toMatchObject({ version: '2', architecture: 'source' });
    expect(index.find('__proto__')).toBeUndefined();
  });

  it('reads flat directories and SHA-512', async () => {
    const strong = `\n ${hex('sha512', 'x')} 1 a_1.dsc`;
    const index = await parse(sourceParagraph({ 'a_1.dsc': 'x' }, { Directory: '.', 'Checksums-Sha512': strong }));
    expect(index.find('a_1.dsc')).toMatchObject({ sha512: hex('sha512', 'x') });
  });

  const line = (text: string) => ({ 'Checksums-Sha256': `\n ${text}` });
  const sha = hex('sha256', 'x');
  it.each<[string, string, RegExp]>([
    ['no SHA-256', sourceParagraph({ 'a_1.dsc': 'x' }, { 'Checksums-Sha256': undefined }), /lacks checksums-sha256/],
    ['no directory', sourceParagraph({ 'a_1.dsc': 'x' }, { Directory: undefined }), /lacks directory/],
    ['a directory above', sourceParagraph({ 'a_1.dsc': 'x' }, { Directory: '../etc' }), /unsafe file/],
    ['a path for a file', sourceParagraph({}, line(`${sha} 1 ../a_1.dsc`)), /unsafe file/],
    ['a digest that is none', sourceParagraph({}, line('zz 1 a_1.dsc')), /checksum line/],
    ['a size that is none', sourceParagraph({}, line(`${sha} -1 a_1.dsc`)), /checksum line/],
    ['a line of four', sourceParagraph({}, line(`${sha} 1 a_1.dsc b`)), /checksum line/],
    ['a file twice', sourceParagraph({}, line(`${sha} 1 a_1.dsc\n ${sha} 1 a_1.dsc`)), /twice/],
    ['a field twice', `Package: a\n${sourceParagraph({ 'a_1.dsc': 'x' })}`, /second time/],
    ['a name with a blank', sourceParagraph({ 'a_1.dsc': 'x' }, { Package: 'a b' }), /Package "a b"/],
    [
      'files that disagree',
      sourceParagraph({ 'a_1.dsc': 'x' }) + sourceParagraph({ 'a_1.dsc': 'y' }, { Version: '2' }),
      /two paragraphs disagree about/,
    ],
    [
      'two sizes',
      sourceParagraph({ 'a_1.dsc': 'x' }, { 'Checksums-Sha512': `\n ${hex('sha512', 'x')} 2 a_1.dsc` }),
      /two sizes/,
    ],
    ['a line that is too long', `Package: ${'a'.repeat(2 ** 20 + 1)}\n`, /./],
    ['no field', 'something\n', /no field/],
    ['a continuation of nothing', ' x\n', /none is open/],
  ])('refuses %s', async (_name, text, reason) => {
    await expect(parse(text)).rejects.toThrow(FormatProblem);
    await expect(parse(text)).rejects.toThrow(reason);
  });
});

describe('a flat repository', () => {
  const deb = buildDeb();
  const files = {
    Packages: packageParagraph(deb, { Filename: './hello_1.0-1_amd64.deb' }),
    'Packages.gz': gzipSync(packageParagraph(deb, { Filename: './hello_1.0-1_amd64.deb' })),
    Sources: sourceParagraph({ 'a_1.dsc': dsc }, { Directory: '.' }),
    'Contents-amd64.gz': gzipSync('usr/bin/hello misc/hello\n'),
  };
  const date = 'Wed, 14 Jan 2026 12:00:00 UTC';

  async function open(suite: string, release?: string) {
    const key = await scenarioKey();
    const session = createFakeSession({ inspectors: aptInspectors(aptConfig(key, { suites: [suite] })) });
    const listed = Object.entries(files).map(
      ([path, bytes]) => ` ${hex('sha256', bytes)} ${Buffer.byteLength(bytes)} ${path}\n`,
    );
    const text = release ?? `Date: ${date}\nSHA256:\n${listed.join('')}`;
    return { session, inRelease: await clearsign(text, key) };
  }

  it.each([
    ['./', ''],
    ['/', ''],
    ['stable/', 'stable/'],
  ])('of the directory %s is verified from its release to its packages', async (suite, below) => {
    const { session, inRelease: signed } = await open(suite);
    const steps: readonly (readonly [string, string | Uint8Array, string])[] = [
      [`${below}InRelease`, signed, 'apt.release'],
      [`${below}Packages.gz`, files['Packages.gz'], 'apt.packages'],
      [`${below}by-hash/SHA256/${hex('sha256', files.Packages)}`, files.Packages, 'apt.packages'],
      [`${below}by-hash/SHA256/${hex('sha256', files.Sources)}`, files.Sources, 'apt.sources'],
      [
        `${below}by-hash/SHA256/${hex('sha256', files['Contents-amd64.gz'])}`,
        files['Contents-amd64.gz'],
        'apt.release',
      ],
      [`${below}Contents-amd64.gz`, files['Contents-amd64.gz'], 'apt.release'],
      ['hello_1.0-1_amd64.deb', deb, 'deb'],
      ['a_1.dsc', dsc, 'apt.sources'],
    ];
    for (const [path, body, by] of steps) {
      const { artifact, result } = await session.download(`${base}/${path}`, { body });
      const said = [...artifact].map(([id, { opinion, reason }]) => `${id} ${opinion} ${reason}`).join('\n');
      expect(result, `${path}\n${said}`).toBe('Approved');
      expect(artifact.get(by)?.opinion).toBe('Approved');
    }
    const { result } = await session.download(`${base}/hello_1.0-1_amd64.deb`, { body: buildDeb({ data: [] }) });
    expect(result).toBe('Rejected');
  });

  it('fetches a flat index that the client still has from before', async () => {
    const key = await scenarioKey();
    const session = createFakeSession({
      inspectors: aptInspectors(aptConfig(key, { suites: ['./'] })),
      companions: { [`${base}/Packages.gz`]: files['Packages.gz'] },
    });
    const { inRelease: signed } = await open('./');
    expect((await session.download(`${base}/InRelease`, { body: signed })).result).toBe('Approved');
    expect((await session.download(`${base}/hello_1.0-1_amd64.deb`, { body: deb })).result).toBe('Approved');
  });

  it.each<[string, string, RegExp]>([
    ['without a date', `SHA256:\n ${hex('sha256', 'x')} 1 Packages\n`, /lacks the field date/],
    ['with weak digests alone', `Date: ${date}\nMD5Sum:\n ${hex('md5', 'x')} 1 Packages\n`, /no SHA256 section/],
    ['that has expired', `Date: ${date}\nValid-Until: ${date}\nSHA256:\n`, /expired at/],
  ])('with a release %s is refused', async (_name, text, reason) => {
    const { session, inRelease: signed } = await open('./', text);
    const { artifact, result } = await session.download(`${base}/InRelease`, { body: signed });
    expect(result).toBe('Rejected');
    expect(artifact.get('apt.release')?.reason).toMatch(reason);
  });
});
