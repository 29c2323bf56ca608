import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import fc from 'fast-check';
import { createMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { JsonProjectionError } from '../json-projection.js';
import { readChecksum } from './checksums.js';
import { GradleModuleError, readGradleModule } from './gradle-module.js';
import { mavenInspectors } from './index.js';
import { parseRepositoryPath } from './repository-path.js';
import { readXmlValues, XmlError } from './xml-values.js';

const base = 'https://repo.registry.example/maven2';
const config: InspectorsConfig = { maven: { repositories: { main: { url: base } } } };
const inspectors = () => mavenInspectors(config);

const directory = `${base}/org/example/pad-core/1.2`;
const pomOf = (more = '', artifact = 'pad-core', version = '1.2') => `<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
<description>Pads &amp; more</description>
<developers><developer><name>Ann</name></developer><developer><name>Bob</name></developer></developers>
<licenses><license><name>Apache License, Version 2.0</name></license></licenses>${more}</project>
`;
const pom = pomOf();
const hash = (algorithm: string, bytes: string | Uint8Array) => createHash(algorithm).update(bytes).digest('hex');
/** What the repository answers beside a file. */
const beside = (url: string, bytes: string | Uint8Array, algorithms = ['sha1', 'sha256']) => ({
  companions: Object.fromEntries(algorithms.map((algorithm) => [`${url}.${algorithm}`, hash(algorithm, bytes)])),
});

async function zipOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), path, { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}
const inside = (artifact = 'pad-core', text = pom) => ({ [`META-INF/maven/org.example/${artifact}/pom.xml`]: text });
let jar: Buffer;
let plain: Buffer;
beforeAll(async () => {
  jar = await zipOf({ 'META-INF/MANIFEST.MF': 'x', ...inside(), 'A.class': 'c' });
  plain = await zipOf({ 'A.class': 'c' });
});
const pomUrl = `${directory}/pad-core-1.2.pom`;
const jarUrl = `${directory}/pad-core-1.2.jar`;
const moduleUrl = `${directory}/pad-core-1.2.module`;

describeInspector({
  id: 'maven.pom',
  inspectors,
  good: {
    name: 'a pom with its checksums',
    request: pomUrl,
    response: { body: pom },
    session: beside(pomUrl, pom),
    opinion: 'Approved',
    metadata: {
      name: 'pad-core',
      version: '1.2',
      vendor: 'org.example',
      description: 'Pads & more',
      author: 'Ann, Bob',
      license: 'Apache-2.0',
      purl: 'pkg:maven/org.example/pad-core@1.2',
    },
    annotations: { integrity: 'sha256' },
  },
  cases: [
    {
      name: 'sha1 alone',
      request: pomUrl,
      response: { body: pom },
      session: beside(pomUrl, pom, ['sha1']),
      opinion: 'Approved',
      annotations: { 'weak-integrity': true },
    },
    {
      name: 'md5 alone',
      request: pomUrl,
      response: { body: pom },
      session: beside(pomUrl, pom, ['md5']),
      opinion: 'Rejected',
      reason: /no checksum of pad-core-1\.2\.pom that counts/,
    },
    {
      name: 'a right sha1 beside a wrong sha512',
      request: pomUrl,
      response: { body: pom },
      session: { companions: { [`${pomUrl}.sha1`]: hash('sha1', pom), [`${pomUrl}.sha512`]: hash('sha512', 'x') } },
      opinion: 'Rejected',
      reason: /expected .* with sha512:\w{128}, found sha512:\w{128}/,
    },
    {
      name: 'a checksum that was fetched before',
      request: pomUrl,
      response: { body: pom },
      before: (session) => session.download(`${pomUrl}.sha512`, { body: `${hash('sha512', pom)}  pad-core-1.2.pom\n` }),
      opinion: 'Approved',
      annotations: { integrity: 'sha512' },
    },
    ...(
      [
        ['the pom of another artifact', pomOf('', 'evil'), /expected org\.example:pad-core:1\.2, found/],
        ['the pom of another version', pomOf('', 'pad-core', '1.3'), /found "org\.example:pad-core:1\.3"/],
        ['a pom with a document type', `<!DOCTYPE x [<!ENTITY a "b">]>${pom}`, /document type/],
        ['a page', '<html></html>', /is no <project>/],
        ['half a pom', pom.slice(0, 200), /no complete <project>/],
        ['a deep pom', `<project>${'<a>'.repeat(100)}`, /nested deeper/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name: `with its checksum, ${name}`,
        request: pomUrl,
        response: { body },
        session: beside(pomUrl, body),
        opinion: 'Rejected',
        reason,
      }),
    ),
    {
      name: 'a license out of the parent',
      request: `${base}/org/example/child/3/child-3.pom`,
      response: {
        body: '<project><parent><groupId>org.example</groupId><artifactId>pad-core</artifactId><version>1.2</version></parent><artifactId>child</artifactId><version>3</version></project>',
      },
      session: {
        companions: async (url) => {
          const child =
            '<project><parent><groupId>org.example</groupId><artifactId>pad-core</artifactId><version>1.2</version></parent><artifactId>child</artifactId><version>3</version></project>';
          if (url.href === `${pomUrl}.sha1`) return Buffer.from(hash('sha1', pom));
          return url.href.endsWith('child-3.pom.sha1') ? Buffer.from(hash('sha1', child)) : undefined;
        },
      },
      before: (session) => session.download(pomUrl, { body: pom }),
      opinion: 'Approved',
      metadata: { license: 'Apache-2.0', vendor: 'org.example' },
      annotations: { parent: 'org.example:pad-core:1.2' },
    },
    { name: 'a PUT', request: { url: pomUrl, method: 'PUT' }, claim: 'Rejected' },
    { name: 'another file name', request: `${directory}/evil-1.2.pom`, claim: 'unclaimed' },
    { name: 'another repository', request: pomUrl.replace('maven2', 'maven1'), claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'maven.jar',
  inspectors,
  good: {
    name: 'a jar with its pom inside',
    request: jarUrl,
    response: () => ({ body: jar }),
    session: {
      companions: async (url) => (url.href === `${jarUrl}.sha256` ? Buffer.from(hash('sha256', jar)) : undefined),
    },
    opinion: 'Approved',
    metadata: { type: 'application/java-archive', name: 'pad-core', license: 'Apache-2.0' },
    annotations: { pom: true },
  },
  cases: [
    {
      name: 'a jar without a pom: what its pom in the session says',
      request: jarUrl,
      response: () => ({ body: plain }),
      session: {
        companions: async (url) => {
          if (url.href === `${pomUrl}.sha1`) return Buffer.from(hash('sha1', pom));
          return url.href === `${jarUrl}.sha1` ? Buffer.from(hash('sha1', plain)) : undefined;
        },
      },
      before: (session) => session.download(pomUrl, { body: pom }),
      opinion: 'Approved',
      metadata: { license: 'Apache-2.0' },
      annotations: { pom: false, 'weak-integrity': true },
    },
    {
      name: 'a jar that module metadata list',
      request: jarUrl,
      response: () => ({ body: plain }),
      session: {
        companions: async (url) =>
          url.href === `${moduleUrl}.sha1` ? Buffer.from(hash('sha1', moduleOf(plain))) : undefined,
      },
      before: (session) => session.download(moduleUrl, { body: moduleOf(plain) }),
      opinion: 'Approved',
      annotations: { integrity: 'sha512' },
    },
    {
      name: 'no checksum at all',
      request: jarUrl,
      response: () => ({ body: jar }),
      opinion: 'Rejected',
      reason: /no checksum/,
    },
  ],
});

function moduleOf(bytes: Uint8Array, more: object = {}, file: object = {}): string {
  return JSON.stringify({
    formatVersion: '1.1',
    component: { group: 'org.example', module: 'pad-core', version: '1.2' },
    variants: [
      {
        name: 'api',
        files: [
          {
            name: 'pad-core-1.2.jar',
            url: 'pad-core-1.2.jar',
            sha512: hash('sha512', bytes),
            sha1: hash('sha1', bytes),
            ...file,
          },
        ],
      },
    ],
    ...more,
  });
}

describe('files that have their checksum and must not be let in', () => {
  const cases: [string, string, () => Promise<Buffer | string> | string, RegExp][] = [
    [
      'a jar with another version inside',
      jarUrl,
      () => zipOf(inside('pad-core', pomOf('', 'pad-core', '9'))),
      /found "org\.example:pad-core:9"/,
    ],
    ['the jar of somebody else', jarUrl, () => zipOf(inside('evil')), /found the pom of "org\.example:evil"/],
    [
      'a jar with a member outside',
      jarUrl,
      async () => {
        const bytes = await zipOf({ 'aa/bb/cc': 'x' });
        bytes.write('../../cc', 30);
        bytes.write('../../cc', bytes.lastIndexOf('aa/bb/cc'));
        return bytes;
      },
      /damaged|\.\./,
    ],
    ['no zip', jarUrl, () => 'hello', /damaged/],
    [
      'module metadata of another version',
      moduleUrl,
      () => moduleOf(Buffer.from(''), { component: { group: 'org.example', module: 'pad-core', version: '2' } }),
      /found "org\.example:pad-core:2"/,
    ],
    [
      'module metadata of another format',
      moduleUrl,
      () => moduleOf(Buffer.from(''), { formatVersion: '2.0' }),
      /formatVersion/,
    ],
    ['module metadata that are not JSON', moduleUrl, () => '<html>', /begins|expected|JSON/i],
  ];
  it.each(cases)('%s', async (_name, url, make, reason) => {
    const bytes = await make();
    const session = createFakeSession({ inspectors: inspectors(), ...beside(url, bytes) });
    try {
      const { artifact, result } = await session.download(url, { body: bytes });
      expect(result).toBe('Rejected');
      expect([...artifact.values()][0]?.reason).toMatch(reason);
    } finally {
      await session.close();
    }
  });

  it('a jar that merged several others is let in', async () => {
    const bytes = await zipOf({ ...inside('a'), ...inside('b') });
    const session = createFakeSession({ inspectors: inspectors(), ...beside(jarUrl, bytes) });
    try {
      expect((await session.download(jarUrl, { body: bytes })).result).toBe('Approved');
    } finally {
      await session.close();
    }
  });
});

describeInspector({
  id: 'maven.module',
  inspectors,
  good: {
    name: 'module metadata',
    request: moduleUrl,
    response: { body: moduleOf(Buffer.from('x')) },
    session: beside(moduleUrl, moduleOf(Buffer.from('x'))),
    opinion: 'Approved',
    annotations: { files: 1 },
  },
  cases: [],
});

describeInspector({
  id: 'maven.file',
  inspectors,
  good: {
    name: 'a distribution',
    request: `${directory}/pad-core-1.2-bin.tar.gz`,
    response: { body: 'anything' },
    session: beside(`${directory}/pad-core-1.2-bin.tar.gz`, 'anything'),
    opinion: 'Approved',
    metadata: { name: 'pad-core', version: '1.2' },
  },
  cases: [],
});

const metadataOf = (id = 'pad-core') =>
  `<metadata><groupId>org.example</groupId><artifactId>${id}</artifactId><versioning><versions><version>1.1</version><version>1.2</version></versions></versioning></metadata>`;
describeInspector({
  id: 'maven.metadata',
  inspectors,
  integrity: 'format',
  good: {
    name: 'versions of an artifact',
    request: `${base}/org/example/pad-core/maven-metadata.xml`,
    response: { body: metadataOf() },
    opinion: 'Approved',
    annotations: { versions: 2 },
  },
  cases: [
    {
      name: 'of a snapshot',
      request: `${base}/org/example/pad-core/1.3-SNAPSHOT/maven-metadata.xml`,
      response: { body: metadataOf() },
      opinion: 'Approved',
    },
    {
      name: 'of a group of plugins',
      request: `${base}/org/example/maven-metadata.xml`,
      response: { body: '<metadata><plugins><plugin><prefix>x</prefix></plugin></plugins></metadata>' },
      opinion: 'Approved',
    },
    {
      name: 'of another artifact',
      request: `${base}/org/example/pad-core/maven-metadata.xml`,
      response: { body: metadataOf('evil') },
      opinion: 'Rejected',
      reason: /found those of "org\/example\/evil"/,
    },
    {
      name: 'a page',
      request: `${base}/org/example/pad-core/maven-metadata.xml`,
      response: { body: '<html></html>' },
      opinion: 'Rejected',
    },
  ],
});

describeInspector({
  id: 'maven.checksum',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a sha1',
    request: `${jarUrl}.sha1`,
    response: { body: `${hash('sha1', 'x')}\n` },
    opinion: 'Approved',
  },
  cases: [
    {
      name: 'an md5',
      request: `${jarUrl}.md5`,
      response: { body: hash('md5', 'x') },
      opinion: 'Approved',
      reason: /vouches for nothing/,
    },
    {
      name: 'a signature',
      request: `${jarUrl}.asc`,
      response: { body: '-----BEGIN PGP SIGNATURE-----\n' },
      opinion: 'Approved',
    },
    {
      name: 'two sha1',
      request: `${jarUrl}.sha1`,
      response: { body: `${hash('sha1', 'x')} ${hash('sha1', 'y')}` },
      opinion: 'Rejected',
    },
    { name: 'a signature that is a page', request: `${jarUrl}.asc`, response: { body: '<html>' }, opinion: 'Rejected' },
    { name: 'a checksum of nothing', request: `${base}/x.sha1`, claim: 'unclaimed' },
  ],
});

describe('signatures', () => {
  it('count where the repository has keys, and are needed there', async () => {
    const own = await generateKey({ userIDs: [{ name: 'Ann' }], format: 'armored', date: new Date('2020-01-01') });
    const other = await generateKey({ userIDs: [{ name: 'Eve' }], format: 'armored', date: new Date('2020-01-01') });
    const signed = async (key: string) =>
      String(
        await sign({
          message: await createMessage({ binary: Buffer.from(pom) }),
          signingKeys: await readPrivateKey({ armoredKey: key }),
          detached: true,
        }),
      );
    const withKeys: InspectorsConfig = {
      maven: { repositories: { main: { url: base, 'public-key': own.publicKey } } },
    };
    const answers = { [`${pomUrl}.sha1`]: hash('sha1', pom) };
    const outcomes: [string | undefined, string, RegExp][] = [
      [await signed(own.privateKey), 'Approved', /signed/],
      [await signed(other.privateKey), 'Rejected', /none of them a configured key/],
      [undefined, 'Rejected', /there is no pad-core-1\.2\.pom\.asc/],
      ['hello', 'Rejected', /its signature cannot be read/],
    ];
    for (const [asc, result, reason] of outcomes) {
      const companions = asc === undefined ? answers : { ...answers, [`${pomUrl}.asc`]: asc };
      const session = createFakeSession({ inspectors: mavenInspectors(withKeys), companions, now: new Date() });
      const found = await session.download(pomUrl, { body: pom });
      expect(found.artifact.get('maven.pom')?.reason).toMatch(reason);
      expect(found.result).toBe(result);
      await session.close();
    }
  });
});

describe('paths', () => {
  it.each([
    ['org/example/pad/1.0/pad-1.0.jar', 'archive org.example:pad:1.0'],
    ['org/example/pad/1.0/pad-1.0-sources.jar', 'archive org.example:pad:1.0'],
    ['a/b-c/1/b-c-1.pom', 'pom a:b-c:1'],
    ['a/b/1.0-SNAPSHOT/b-1.0-20260102.030405-6.jar', 'archive a:b:1.0-SNAPSHOT'],
    ['a/b/1.0-SNAPSHOT/b-1.0-20260102.030405-6-tests.jar', 'archive a:b:1.0-SNAPSHOT'],
    ['a/b/1/b-1.aar', 'archive a:b:1'],
    ['a/b/1/b-1-bin.tar.gz', 'file a:b:1'],
    ['a/b/1/b-1.jar.sha1', 'checksum'],
    ['a/b/1/b-1.jar.asc.md5', 'checksum'],
    ['a/b/maven-metadata.xml', 'metadata'],
  ])('%s', (path, text) => {
    const found = parseRepositoryPath(path);
    const shown =
      found && 'group' in found ? `${found.kind} ${found.group}:${found.artifact}:${found.version}` : found?.kind;
    expect(shown).toBe(text);
  });

  it.each([
    'a',
    'a/b/1/c-1.jar',
    'a/b/1/b-2.jar',
    'a/../1/b-1.jar',
    'a//1/b-1.jar',
    'a/b/1/b-1',
    '%ff/b/1/b-1.jar',
    'a/b/1.0-SNAPSHOT/b-1.0-x.jar',
  ])('%s is none', (path) => expect(parseRepositoryPath(path)).toBeUndefined());

  it.each([
    [hash('sha256', 'x'), 'sha256', true],
    [`${hash('sha256', 'x')} *x.jar\n`, 'sha256', true],
    [`SHA256(x.jar)= ${hash('sha256', 'x')}`, 'sha256', true],
    [hash('md5', 'x'), 'md5', false],
    ['', 'sha1', false],
  ])('%s %s', (text, algorithm, isFound) => expect(readChecksum(text, algorithm) !== undefined).toBe(isFound));
});

describe('hostile bytes', () => {
  it('no document breaks the readers in another way than their own errors', () =>
    fc.assert(
      fc.asyncProperty(fc.string(), fc.nat(500), fc.json(), async (text, at, value) => {
        for (const given of [text, pom.slice(0, at) + text + pom.slice(at)]) {
          try {
            readXmlValues(Buffer.from(given), 'project');
          } catch (error) {
            expect(error).toBeInstanceOf(XmlError);
          }
        }
        const good = moduleOf(Buffer.from('x'));
        for (const given of [value, good.slice(0, at) + text + good.slice(at)]) {
          await readGradleModule(Readable.from([Buffer.from(given)], { objectMode: false })).catch((error) => {
            expect(error instanceof GradleModuleError || error instanceof JsonProjectionError).toBe(true);
          });
        }
      }),
      { numRuns: 300 },
    ));
});
