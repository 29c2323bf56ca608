import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import { buildTgz } from '@waybill/testkit';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { ArchiveError } from '../archive/expand.js';
import { JsonProjectionError } from '../json-projection.js';
import { readCoreMetadata } from './core-metadata.js';
import { pipInspectors } from './index.js';
import { isSameVersion, normalizeName, parseFileName } from './names.js';
import { ProjectPageError, readProjectPage } from './project-page.js';
import { readRecord } from './record-file.js';

const index = 'https://index.registry.example/simple';
const config: InspectorsConfig = {
  pip: {
    indexes: {
      main: { url: `${index}/`, files: ['https://files.registry.example/packages/**'] },
      other: { url: 'https://other.registry.example/simple/', files: [] },
    },
  },
};
const inspectors = () => pipInspectors(config);

const metadata = `Metadata-Version: 2.1
Name: Left.Pad
Version: 1.2.0
Summary: Pads
Author-email: Ann <ann@mail.example>
Classifier: License :: OSI Approved :: MIT License
Description: a
        b

Body: not a field
`;

type Files = Readonly<Record<string, string>>;
const hash = (content: string | Uint8Array, encoding: 'hex' | 'base64url', algorithm = 'sha256') =>
  createHash(algorithm).update(content).digest(encoding);
const info = 'left_pad-1.2.0.dist-info';
const content: Files = {
  'left_pad/__init__.py': 'x = 1\n',
  'left_pad/a, "b".txt': 'odd name',
  [`${info}/METADATA`]: metadata,
  [`${info}/WHEEL`]: 'Wheel-Version: 1.0\n',
};
const quoted = (name: string) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
const recordOf = (files: Files, algorithm = 'sha256') =>
  `${Object.entries(files)
    .map(
      ([name, text]) => `${quoted(name)},${algorithm}=${hash(text, 'base64url', algorithm)},${Buffer.byteLength(text)}`,
    )
    .join('\r\n')}\r\n${info}/RECORD,,\r\n`;

async function zipOf(files: Files): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), path, { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}
const wheelOf = (files: Files = content, record = recordOf(files)) => zipOf({ ...files, [`${info}/RECORD`]: record });
const sdistOf = (text = metadata, directory = 'left_pad-1.2.0') =>
  buildTgz([
    { path: `${directory}/PKG-INFO`, body: text },
    { path: `${directory}/src/left_pad.egg-info/PKG-INFO`, body: 'Name: other\n' },
  ]);

const wheelName = 'left_pad-1.2.0-py3-none-any.whl';
const sdistName = 'left-pad-1.2.tar.gz';
const wheelUrl = `https://files.registry.example/packages/ab/cd/${wheelName}`;
const sdistUrl = `https://files.registry.example/packages/ab/cd/${sdistName}`;
const pageUrl = `${index}/left-pad/`;

const anchor = (name: string, digest: string, more = '') =>
  `<a href="../../packages/ab/cd/${name}#${digest}"${more}>${name}</a><br/>`;
const htmlOf = (...anchors: string[]) =>
  `<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3"></head><body>${anchors.join('\n')}</body></html>`;
const html = (bytes: Uint8Array, name = wheelName, more = '') =>
  htmlOf(anchor(name, `sha256=${hash(bytes, 'hex')}`, more));
const jsonType = 'application/vnd.pypi.simple.v1+json';
const jsonOf = (files: object[], more: object = {}) =>
  JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'Left.Pad', files, ...more });
const json = (bytes: Uint8Array, name = wheelName, more: object = {}) =>
  jsonOf([{ filename: name, url: `https://x.example/${name}`, hashes: { sha256: hash(bytes, 'hex') }, ...more }]);

let wheel: Buffer;
beforeAll(async () => {
  wheel = await wheelOf();
});
const listing = (page: () => string | Promise<string>, mediaType?: string) => async (session: FakeSession) =>
  session.download(pageUrl, { body: await page(), ...(mediaType && { mediaType }) });

describeInspector({
  id: 'pip.simple-index',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a page in JSON',
    request: pageUrl,
    response: { body: json(Buffer.from('x')), mediaType: jsonType },
    opinion: 'Approved',
    metadata: {
      name: "JSON index for 'left-pad'",
      version: 'v1+json',
      vendor: 'index.registry.example',
      purl: 'pkg:pypi/left-pad',
    },
    annotations: { files: 1 },
  },
  cases: [
    {
      name: 'a page in HTML',
      request: `${index}/Left_Pad`,
      response: { body: html(Buffer.from('x'), wheelName, ' data-yanked="broken"'), mediaType: 'text/html' },
      opinion: 'Approved',
      metadata: { name: "Simple index for 'left-pad'" },
      annotations: { files: 1, yanked: 1 },
    },
    {
      name: 'a page without files',
      request: pageUrl,
      response: { body: htmlOf(), mediaType: 'text/html' },
      opinion: 'Approved',
    },
    ...(
      [
        ['the page of another project', jsonOf([], { name: 'right-pad' }), /found the page of "right-pad"/],
        ['another major version', jsonOf([], { meta: { 'api-version': '2.0' } }), /expected version 1/],
        ['no files', JSON.stringify({ name: 'left-pad' }), /no name or no files/],
        ['a file without a name', jsonOf([{ url: 'x' }]), /without a name/],
        [
          'two hashes of one file',
          jsonOf([
            { filename: wheelName, hashes: { sha256: 'a'.repeat(64) } },
            { filename: wheelName, hashes: { sha256: 'b'.repeat(64) } },
          ]),
          /listed twice/,
        ],
        ['HTML under the type of JSON', '<html></html>', /the page of left-pad/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name,
        request: pageUrl,
        response: { body, mediaType: jsonType },
        opinion: 'Rejected',
        reason,
      }),
    ),
    {
      name: 'HTML of another major version',
      request: pageUrl,
      response: { body: htmlOf().replace('1.3', '2.0'), mediaType: 'text/html' },
      opinion: 'Rejected',
    },
    {
      name: 'text',
      request: pageUrl,
      response: { body: 'hello', mediaType: 'text/html' },
      opinion: 'Rejected',
      reason: /no page of links/,
    },
    {
      name: 'what is not UTF-8',
      request: pageUrl,
      response: { body: Buffer.from([0x3c, 0xff]), mediaType: 'text/html' },
      opinion: 'Rejected',
    },
    { name: 'a POST', request: { url: pageUrl, method: 'POST' }, claim: 'Rejected' },
    { name: 'a path that is no project', request: `${index}/a/b/`, claim: 'unclaimed' },
    { name: 'another index', request: 'https://index.example/simple/left-pad/', claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'pip.wheel',
  inspectors,
  good: {
    name: 'a wheel that the page lists',
    request: wheelUrl,
    response: () => ({ body: wheel }),
    before: listing(() => json(wheel), jsonType),
    opinion: 'Approved',
    metadata: {
      type: 'application/x.python.wheel',
      name: 'Left.Pad',
      version: '1.2.0',
      description: 'Pads',
      author: 'Ann',
      'author-email': 'ann@mail.example',
      vendor: 'Ann',
      license: 'MIT',
      purl: 'pkg:pypi/left-pad@1.2.0',
    },
    annotations: { files: 5, 'parsed-record-entries': 5 },
  },
  cases: [
    {
      name: 'a page in HTML',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      before: listing(() => html(wheel), 'text/html'),
      opinion: 'Approved',
    },
    {
      name: 'no page in the session: the index is asked',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      session: { companions: async (url) => (url.href === pageUrl ? Buffer.from(html(wheel)) : undefined) },
      opinion: 'Approved',
    },
    {
      name: 'no page at all',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      opinion: 'Rejected',
      reason: /no page of pip\.indexes\.main that this session trusts lists left_pad/,
    },
    {
      name: 'a page of another index',
      request: `https://other.registry.example/f/${wheelName}`,
      response: () => ({ body: wheel }),
      before: listing(() => json(wheel), jsonType),
      opinion: 'Rejected',
      reason: /pip\.indexes\.other/,
    },
    {
      name: 'other bytes',
      request: wheelUrl,
      response: async () => ({ body: await wheelOf({ ...content, 'left_pad/evil.py': '' }) }),
      before: listing(() => json(wheel), jsonType),
      opinion: 'Rejected',
      reason: /expected left_pad.* with sha256:/,
    },
    {
      name: 'listed with md5 only',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      before: listing(() => htmlOf(anchor(wheelName, `md5=${hash(wheel, 'hex', 'md5')}`)), 'text/html'),
      opinion: 'Rejected',
      reason: /without a hash that counts/,
    },
    {
      name: 'sha512 and md5: the strongest counts',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      before: listing(
        () => jsonOf([{ filename: wheelName, hashes: { md5: '0'.repeat(32), sha512: hash(wheel, 'hex', 'sha512') } }]),
        jsonType,
      ),
      opinion: 'Approved',
    },
    {
      name: 'a wrong sha512 beside the right sha256',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      before: listing(
        () => jsonOf([{ filename: wheelName, hashes: { sha256: hash(wheel, 'hex'), sha512: '0'.repeat(128) } }]),
        jsonType,
      ),
      opinion: 'Rejected',
      reason: /expected .* with sha512:0{128}, found sha512:\w{128}/,
    },
    {
      name: 'an anchor whose text says another name',
      request: wheelUrl,
      response: () => ({ body: wheel }),
      before: listing(() => html(wheel).replace(`>${wheelName}<`, '>evil-1.whl<'), 'text/html'),
      opinion: 'Rejected',
      reason: /no page/,
    },
    { name: 'a PUT', request: { url: wheelUrl, method: 'PUT' }, claim: 'Rejected' },
    {
      name: 'a place that no index names',
      request: `https://files.registry.example/else/${wheelName}`,
      claim: 'unclaimed',
    },
  ],
});

describe('wheels that the page lists and that must not be let in', () => {
  const evil = { ...content, 'left_pad/evil.py': 'evil' };
  const cases: [string, () => Promise<Buffer>, RegExp][] = [
    ['a file that RECORD does not list', () => wheelOf(evil, recordOf(content)), /evil\.py" is not listed/],
    ['a file that is missing', () => wheelOf(content, recordOf(evil)), /is listed and missing/],
    [
      'a file with other bytes',
      () => wheelOf({ ...content, 'left_pad/__init__.py': 'x = 2\n' }, recordOf(content)),
      /another sha256/,
    ],
    [
      'a file with another size',
      () => wheelOf(content, recordOf(content).replace(',6\r\n', ',7\r\n')),
      /has 6 bytes, not 7/,
    ],
    ['a file listed with md5', () => wheelOf(content, recordOf(content).replace('sha256=', 'md5=')), /not with sha256/],
    [
      'a file listed without a hash',
      () => wheelOf(content, recordOf(content).replace(/,sha256=[^,]+,6/, ',,')),
      /without a hash/,
    ],
    ['one file listed twice', () => wheelOf(content, recordOf(content).repeat(2)), /lists .* twice/],
    ['a quote that stays open', () => wheelOf(content, `${recordOf(content)}"x`), /never closed/],
    ['a line of two fields', () => wheelOf(content, 'a,b\n'), /2 fields/],
    [
      'another name inside',
      () => wheelOf({ ...content, [`${info}/METADATA`]: metadata.replace('Left.Pad', 'evil') }),
      /found "evil 1\.2\.0"/,
    ],
    [
      'another version inside',
      () => wheelOf({ ...content, [`${info}/METADATA`]: metadata.replace('1.2.0', '1.3') }),
      /found "Left\.Pad 1\.3"/,
    ],
    ['two names inside', () => wheelOf({ ...content, [`${info}/METADATA`]: `Name: left-pad\n${metadata}` }), /2 name/],
    ['no WHEEL', () => wheelOf({ 'a.py': '', [`${info}/METADATA`]: metadata }), /no \.dist-info/],
    ['two .dist-info', () => wheelOf({ ...content, 'evil-1.dist-info/METADATA': metadata }), /two \.dist-info/],
    ['no zip', async () => Buffer.from('hello'), /damaged/],
  ];
  it.each(cases)('%s', async (_name, make, reason) => {
    const session = createFakeSession({ inspectors: inspectors() });
    try {
      const bytes = await make();
      await listing(() => json(bytes), jsonType)(session);
      const { artifact, result } = await session.download(wheelUrl, { body: bytes });
      expect(result).toBe('Rejected');
      expect(artifact.get('pip.wheel')?.reason).toMatch(reason);
    } finally {
      await session.close();
    }
  });

  it('RECORD may use sha512', async () => {
    const session = createFakeSession({ inspectors: inspectors() });
    try {
      const bytes = await wheelOf(content, recordOf(content, 'sha512'));
      await listing(() => json(bytes), jsonType)(session);
      expect((await session.download(wheelUrl, { body: bytes })).result).toBe('Approved');
    } finally {
      await session.close();
    }
  });
});

describeInspector({
  id: 'pip.sdist',
  inspectors,
  good: {
    name: 'a source archive whose name has a dash',
    request: sdistUrl,
    response: { body: sdistOf() },
    before: listing(() => html(sdistOf(), sdistName), 'text/html'),
    opinion: 'Approved',
    metadata: { type: 'application/x.python.sdist', name: 'Left.Pad', version: '1.2.0' },
  },
  cases: [
    {
      name: 'a zip',
      request: sdistUrl.replace('.tar.gz', '.zip'),
      response: async () => ({ body: await zipOf({ 'left-pad-1.2/PKG-INFO': metadata }) }),
      before: async (session) => {
        const body = await zipOf({ 'left-pad-1.2/PKG-INFO': metadata });
        await listing(() => html(body, sdistName.replace('.tar.gz', '.zip')), 'text/html')(session);
      },
      opinion: 'Approved',
    },
    ...(
      [
        ['another name inside', sdistOf(metadata.replace('Left.Pad', 'evil')), /found "evil/],
        ['no PKG-INFO', buildTgz([{ path: 'left_pad-1.2.0/setup.py', body: '' }]), /no PKG-INFO/],
        [
          'two PKG-INFO',
          buildTgz([
            { path: 'a/PKG-INFO', body: metadata },
            { path: 'b/PKG-INFO', body: metadata },
          ]),
          /two PKG-INFO/,
        ],
        [
          'a member outside',
          buildTgz([
            { path: 'a/PKG-INFO', body: metadata },
            { path: 'a/../../x', body: '' },
          ]),
          /a path with \.\./,
        ],
        ['PKG-INFO that is not UTF-8', buildTgz([{ path: 'a/PKG-INFO', body: Buffer.from([0xff]) }]), /not UTF-8/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name: `listed, with ${name}`,
        request: sdistUrl,
        response: { body },
        before: listing(() => html(body, sdistName), 'text/html'),
        opinion: 'Rejected',
        reason,
      }),
    ),
  ],
});

const listedMetadata = (digest: string) =>
  listing(() => html(Buffer.from('x'), wheelName, ` data-core-metadata="${digest}"`), 'text/html');
describeInspector({
  id: 'pip.metadata',
  inspectors,
  good: {
    name: 'metadata with a hash in the page',
    request: `${wheelUrl}.metadata`,
    response: { body: metadata },
    before: listedMetadata(`sha256=${hash(metadata, 'hex')}`),
    opinion: 'Approved',
    metadata: { type: 'application/x.python.metadata', version: '1.2.0' },
  },
  cases: [
    {
      name: 'metadata that is listed without a hash',
      request: `${wheelUrl}.metadata`,
      response: { body: metadata },
      before: listedMetadata('true'),
      opinion: 'Approved',
      annotations: { 'hash-listed': false },
    },
    {
      name: 'metadata that is not listed',
      request: `${wheelUrl}.metadata`,
      response: { body: metadata },
      before: listing(() => html(Buffer.from('x')), 'text/html'),
      opinion: 'Rejected',
    },
    {
      name: 'metadata of another version',
      request: `${wheelUrl}.metadata`,
      response: { body: metadata.replace('1.2.0', '9') },
      before: listedMetadata('true'),
      opinion: 'Rejected',
      reason: /found "Left\.Pad 9"/,
    },
  ],
});

describe('names and versions', () => {
  it.each([
    ['a-b', 'A_.b', true],
    ['a-b', 'ab', false],
  ])('%s and %s', (a, b, same) => expect(normalizeName(a) === normalizeName(b)).toBe(same));

  it.each([
    ['1.2', '1.2.0', true],
    ['1.0rc1', '1.0.RC-1', true],
    ['1.0.post1', '1.0-1', true],
    ['1.0.dev0', '1.0dev', true],
    ['v2024.01.02', '2024.1.2', true],
    ['1.0+ubuntu-1', '1.0+ubuntu.1', true],
    ['1.0a1', '1.0b1', false],
    ['1.0', '1.0.1', false],
    ['1.0', '1.0.dev1', false],
    ['10', '1', false],
  ])('%s and %s', (a, b, same) => expect(isSameVersion(a, b)).toBe(same));

  it.each([
    ['a-1.0-py3-none-any.whl', 'wheel', ['a 1.0']],
    ['A.b-1.0-2-cp312-cp312-linux_x86_64.whl', 'wheel', ['a-b 1.0']],
    ['a-b-1.0.tar.gz', 'sdist', ['a-b 1.0']],
    ['a-3d-1.0.zip', 'sdist', ['a 3d-1.0', 'a-3d 1.0']],
    ['a-1.0.tar.gz.metadata', 'metadata', ['a 1.0']],
  ])('%s', (name, kind, candidates) => {
    const file = parseFileName(name);
    expect(file?.kind).toBe(kind);
    expect(file?.candidates.map(({ project, version }) => `${project} ${version}`)).toEqual(candidates);
  });

  it.each(['a.whl', 'a-1.0.exe', 'readme', '../a-1.0.tar.gz', 'a-1.0.metadata.metadata', 'x'.repeat(600)])(
    '%s is none',
    (name) => expect(parseFileName(name)).toBeUndefined(),
  );
});

describe('hostile bytes', () => {
  const stream = (text: string) => Readable.from([Buffer.from(text)], { objectMode: false });

  it.each(['html', 'json'] as const)('no page in %s breaks the reader in another way than its own errors', (form) =>
    fc.assert(
      fc.asyncProperty(fc.string(), fc.nat(200), fc.json(), async (text, at, value) => {
        const good = form === 'html' ? html(Buffer.from('x')) : json(Buffer.from('x'));
        for (const given of [text, value, good.slice(0, at) + text + good.slice(at)]) {
          await readProjectPage(stream(given), form).catch((error) => {
            expect(error instanceof ProjectPageError || error instanceof JsonProjectionError).toBe(true);
          });
        }
      }),
      { numRuns: 200 },
    ),
  );

  it('no RECORD and no metadata break their readers in another way than an archive error', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
        for (const given of [bytes, Buffer.from(text), Buffer.from(`Name: a\n${text}`)]) {
          for (const read of [() => readRecord(given), () => readCoreMetadata(given, 'X')]) {
            try {
              read();
            } catch (error) {
              expect(error).toBeInstanceOf(ArchiveError);
            }
          }
        }
      }),
      { numRuns: 500 },
    ));
});
