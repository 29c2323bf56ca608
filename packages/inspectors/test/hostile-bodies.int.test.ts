import { buffer } from 'node:stream/consumers';
import { inspectorsConfigSchema } from '@waybill/contracts';
import { buildTgz } from '@waybill/testkit';
import { describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { createInspectorRegistry } from '../src/registry.js';
import { aptConfig, buildDeb, dists, helloControl, helloCopyright } from './apt-fixtures.js';
import { createScenario, debUrl, packagesUrl, scenarioKey } from './apt-scenario.js';
import { createFakeSession } from './fake-session.js';
import { bytesOf, digestsOf, type FakeRequest, type FakeResponse } from './fakes.js';
import { createGoLog } from './go-log.js';

/** What a stranger may answer or pack: a lot of whatever makes a careless parser or expression start over and over. */
const size = 3 * 2 ** 15;
/** The end makes fail what matched up to there: neither a blank nor, for `.`, a character. */
const much = (piece: string) => `${piece.repeat(Math.ceil(size / piece.length))}\u2028!`;
const shapes = [
  ...[' ', '\n', '\t', '\r\n', '\0', 'a', '1', '.', '-', '_', '/', '\\', '"', "'", '#', '%', '&', '<', '>', '=', ';'],
  ...['(', '[', '{', '{"a":', '[{"a":[', '"a",', ',', ':', '@', '+', '*', '\u00e4', '\u{1f600}', '%2e', '../', 'a/'],
  ...['a: b\n', 'A:\n', ' .\n', ' a\n', 'a=b\n', 'a = [\n', '[a]\n', '[[a]]\n', '"""', '// ', '/*', '//\n', 'a\n//'],
  ...['<!--', '<!---->', '<!-- -->', '<a href="', '<a ', '<meta ', '<meta name="go-import" content="', '&#', '&amp;'],
  ...['or (', 'MIT or ', 'MIT AND (', 'License: a\n', 'Files: *\nCopyright: a\n\n', '1.0-', 'a@b <', 'require (\n'],
  ...['-----BEGIN PGP SIGNED MESSAGE-----\n', '- -', '0000', '0001', '0004', '\u2028', '\ud800'],
].map(much);

const config = inspectorsConfigSchema.parse({
  npm: { registries: { main: { url: 'https://npm.example/', tarballs: [] } } },
  cargo: { registries: { main: { index: 'https://cargo.example/', downloads: ['https://cargo.example/dl/**'] } } },
  pip: { indexes: { main: { url: 'https://pip.example/simple/', files: [] } } },
  maven: { repositories: { main: { url: 'https://maven.example/m2' } } },
  go: {
    proxies: { main: { url: 'https://go.example/' } },
    'sum-databases': { main: { key: createGoLog().key } },
    unlisted: ['corp.example/*'],
    imports: ['https://vanity.example/**'],
  },
  oci: {
    registries: {
      main: { url: 'https://oci.example', auth: ['https://oci.example/token'], blobs: [] },
    },
  },
  git: { urls: ['https://git.example/**'] },
  generic: { files: [{ url: 'https://files.example/**', sha256: '0'.repeat(64) }] },
});

/** What lies beside a file: its checksums, so that what is in it gets read, and something for a signature. */
function besides(url: string, body: Uint8Array | string) {
  const { sha1, sha256 } = digestsOf(bytesOf(body));
  const signature = `-----BEGIN PGP SIGNATURE-----\n\n${Buffer.from(body).subarray(0, 60_000)}`;
  return { [`${url}.sha1`]: sha1, [`${url}.sha256`]: sha256, [`${url}.gpg`]: signature };
}

const go = 'https://go.example/corp.example/pad/@v';
const maven = 'https://maven.example/m2/org/example/pad/1.0';
const post = (url: string, type: string): FakeRequest => ({
  url,
  method: 'POST',
  headers: { 'content-type': type },
  body: '0014command=fetch000100000000',
});

const json = JSON.stringify;
const pom = (text: string) =>
  `<project><groupId>org.example</groupId><artifactId>pad</artifactId><version>1.0</version>${text === '' ? '' : `<description>${text}</description><licenses><license><name>${text}</name></license></licenses>`}</project>`;

/** Where bodies of strangers are read, and how they may begin and end so that readers get to the middle. */
const answers: Readonly<Record<string, readonly [FakeRequest | string, string?, ((text: string) => string)?]>> = {
  'a packument': ['https://npm.example/pad'],
  'a description in a packument': [
    'https://npm.example/pad',
    'application/json',
    (t) => json({ name: 'pad', description: t, license: t, author: t, versions: { [t]: { dist: t } } }),
  ],
  advisories: [post('https://npm.example/-/npm/v1/security/advisories/bulk', 'application/json')],
  'index lines of crates': ['https://cargo.example/pa/d/pad'],
  'the configuration of a crate index': ['https://cargo.example/config.json'],
  'a project page': ['https://pip.example/simple/pad/', 'text/html'],
  'a link on a project page': ['https://pip.example/simple/pad/', 'text/html', (t) => `<html><a href="${t}">${t}</a>`],
  'a project page in JSON': ['https://pip.example/simple/pad/', 'application/vnd.pypi.simple.v1+json'],
  'a list of module versions': [`${go}/list`],
  'information on a module version': [`${go}/v1.0.0.info`],
  'a go.mod': [`${go}/v1.0.0.mod`],
  'a lookup in a checksum database': ['https://sum.registry.example/lookup/corp.example/pad@v1.0.0'],
  'a signed tree': ['https://sum.registry.example/latest'],
  'a page with the place of a module': ['https://vanity.example/pad?go-get=1', 'text/html'],
  'a pom': [`${maven}/pad-1.0.pom`],
  'a license in a pom': [`${maven}/pad-1.0.pom`, 'text/xml', pom],
  'Gradle module metadata': [`${maven}/pad-1.0.module`],
  'Maven metadata': ['https://maven.example/m2/org/example/pad/maven-metadata.xml'],
  'a Maven checksum': [`${maven}/pad-1.0.pom.sha1`],
  'an image manifest': ['https://oci.example/v2/library/pad/manifests/1', 'application/vnd.oci.image.manifest.v1+json'],
  'the answer to a ping': ['https://oci.example/v2/'],
  'tags of an image': ['https://oci.example/v2/library/pad/tags/list'],
  'a token of a registry': ['https://oci.example/token?service=a'],
  'a git advertisement': [
    'https://git.example/a.git/info/refs?service=git-upload-pack',
    'application/x-git-upload-pack-advertisement',
  ],
  'a git pack': [
    post('https://git.example/a.git/git-upload-pack', 'application/x-git-upload-pack-request'),
    'application/x-git-upload-pack-result',
  ],
  'a pinned file': ['https://files.example/a'],
  'an InRelease': [`${dists}/InRelease`],
  'a signed InRelease': [
    `${dists}/InRelease`,
    'text/plain',
    (t) =>
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${t}\n-----BEGIN PGP SIGNATURE-----\n\n${t}\n-----END PGP SIGNATURE-----\n`,
  ],
  'a Release': [`${dists}/Release`],
  'a Packages file': [`${dists}/main/binary-amd64/Packages`],
  'a Translation file': [`${dists}/main/i18n/Translation-en`],
  'a Commands file': [`${dists}/main/cnf/Commands-amd64`],
  'something unclaimed': ['https://elsewhere.example/a'],
  'a page': ['https://elsewhere.example/a', 'text/html'],
};

async function zipOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), path, { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}
const tgzOf = (files: Readonly<Record<string, string>>) =>
  buildTgz(Object.entries(files).map(([path, body]) => ({ path, body })));

interface Packed {
  readonly url: string;
  readonly body: Uint8Array;
  /** What the build fetched first: the index that lists the package. */
  readonly before?: readonly (readonly [url: string, body: Uint8Array | string, mediaType?: string])[];
}

function npmTarball(files: Readonly<Record<string, string>>): Packed {
  const url = 'https://npm.example/pad/-/pad-1.0.0.tgz';
  const body = tgzOf(files);
  const dist = { tarball: url, shasum: digestsOf(body).sha1 };
  const document = json({ name: 'pad', versions: { '1.0.0': { name: 'pad', version: '1.0.0', dist } } });
  return { url, body, before: [['https://npm.example/pad', document]] };
}

function crate(manifest: string): Packed {
  const url = 'https://cargo.example/dl/pad/1.0.0/download';
  const body = tgzOf({ 'pad-1.0.0/Cargo.toml': `[package]\nname = "pad"\nversion = "1.0.0"\n${manifest}` });
  const line = { name: 'pad', vers: '1.0.0', deps: [], cksum: digestsOf(body).sha256, features: {}, yanked: false };
  return { url, body, before: [['https://cargo.example/3/p/pad', `${json(line)}\n`]] };
}

function pythonFile(filename: string, body: Uint8Array): Packed {
  const url = `https://pip.example/files/${filename}`;
  const files = [{ filename, url, hashes: { sha256: digestsOf(body).sha256 } }];
  const page = json({ meta: { 'api-version': '1.0' }, name: 'pad', files });
  return { url, body, before: [['https://pip.example/simple/pad/', page, 'application/vnd.pypi.simple.v1+json']] };
}

const wheelInfo = 'pad-1.0.dist-info';
const wheelFiles = (metadata: string) => ({
  [`${wheelInfo}/METADATA`]: metadata,
  [`${wheelInfo}/WHEEL`]: 'Wheel-Version: 1.0\n',
});
const wheelRecord = (metadata: string) => {
  const lines = Object.entries(wheelFiles(metadata)).map(([name, text]) => {
    const hash = Buffer.from(digestsOf(Buffer.from(text)).sha256, 'hex').toString('base64url');
    return `${name},sha256=${hash},${Buffer.byteLength(text)}\n`;
  });
  return `${lines.join('')}${wheelInfo}/RECORD,,\n`;
};
const wheel = async (metadata: string, record = wheelRecord(metadata)) =>
  pythonFile('pad-1.0-py3-none-any.whl', await zipOf({ ...wheelFiles(metadata), [`${wheelInfo}/RECORD`]: record }));
const coreMetadata = 'Metadata-Version: 2.1\nName: pad\nVersion: 1.0\n';

const jar = async (files: Readonly<Record<string, string>>) => ({
  url: `${maven}/pad-1.0.jar`,
  body: await zipOf(files),
});

async function debian(body: Buffer): Promise<Packed> {
  const { inRelease, files } = await createScenario({ deb: body });
  const index = files['main/binary-amd64/Packages.gz'] ?? '';
  return {
    url: debUrl,
    body,
    before: [
      [`${dists}/InRelease`, inRelease],
      [packagesUrl, index],
    ],
  };
}
const copyrighted = (text: string) => buildDeb({ data: [{ path: './usr/share/doc/hello/copyright', body: text }] });

/** What an author may put into a package that an index lists, and a text with which the package is approved. */
const packages: Readonly<Record<string, readonly [(text: string) => Packed | Promise<Packed>, string?]>> = {
  'a manifest of npm': [
    (text) => npmTarball({ 'package/package.json': text }),
    json({ name: 'pad', version: '1.0.0' }),
  ],
  'fields of a manifest of npm': [
    (text) =>
      npmTarball({
        'package/package.json': json({ name: 'pad', version: '1.0.0', description: text, license: text, author: text }),
        'package/LICENSE': text,
      }),
  ],
  'the manifest of a crate': [crate],
  'fields of the manifest of a crate': [(text) => crate(`license = ${json(text)}\nauthors = [${json(text)}]\n`)],
  'METADATA of a wheel': [(text) => wheel(text), coreMetadata],
  'fields of a wheel': [(text) => wheel(`${coreMetadata}License: ${text}\nAuthor-email: ${text}\n\n`)],
  'RECORD of a wheel': [(text) => wheel(coreMetadata, text), wheelRecord(coreMetadata)],
  'PKG-INFO of an sdist': [
    (text) => pythonFile('pad-1.0.tar.gz', tgzOf({ 'pad-1.0/PKG-INFO': `${coreMetadata}${text}\n` })),
  ],
  'the zip of a Go module': [
    async (text) => {
      const at = 'corp.example/pad@v1.0.0';
      const body = await zipOf({ [`${at}/go.mod`]: `module corp.example/pad\n${text}`, [`${at}/LICENSE`]: text });
      return { url: `${go}/v1.0.0.zip`, body };
    },
  ],
  'the pom in a jar': [(text) => jar({ 'META-INF/maven/org.example/pad/pom.xml': text }), pom('')],
  'fields of the pom in a jar': [(text) => jar({ 'META-INF/maven/org.example/pad/pom.xml': pom(text) })],
  'the manifest of a jar': [(text) => jar({ 'META-INF/MANIFEST.MF': text, 'META-INF/LICENSE': text })],
  'the control file of a Debian package': [(text) => debian(buildDeb({ control: `${helloControl}${text}` }))],
  'the source of a Debian package': [
    (text) => debian(buildDeb({ control: helloControl.replace('hello-source (1.0)', `hello-source ${text}`) })),
  ],
  'the description of a Debian package': [(text) => debian(buildDeb({ control: `${helloControl} ${text}\n` })), 'a'],
  'the copyright file of a Debian package': [(text) => debian(copyrighted(text))],
  'licenses in a copyright file': [
    (text) =>
      debian(copyrighted(`${helloCopyright}\nFiles: ${text}\nCopyright: ${text}\nLicense: ${text}\n ${text}\n`)),
  ],
};

async function inspected(request: FakeRequest | string, response: FakeResponse, before: Packed['before'] = []) {
  const inspectors = createInspectorRegistry({ ...config, ...aptConfig(await scenarioKey()) });
  const url = typeof request === 'string' ? request : request.url;
  const isSigned = [maven, dists].some((base) => url.startsWith(base));
  const companions = isSigned ? besides(url, response.body) : {};
  const session = createFakeSession({ inspectors, permissive: true, companions });
  for (const [index, body, mediaType] of before)
    await session.download(index, { body, ...(mediaType && { mediaType }) });
  const { result } = await session.download(request, response);
  await session.close();
  return result;
}

/** Far more than a reader in linear time needs for all shapes, far less than one in quadratic time needs for one. */
const patience = 20_000;

describe('bodies that are made to take long', () => {
  it.each(Object.entries(answers))(
    'cost little as %s',
    async (_, [request, mediaType, around = (text) => text]) => {
      for (const shape of shapes) {
        await inspected(request, { body: Buffer.from(around(shape)), ...(mediaType !== undefined && { mediaType }) });
      }
    },
    patience,
  );

  it.each(Object.entries(packages))(
    'cost little in a package, as %s',
    async (_, [pack, harmless = '']) => {
      const honest = await pack(harmless);
      expect(await inspected(honest.url, honest, honest.before)).toBe('Approved');
      for (const shape of shapes) {
        const { url, body, before } = await pack(shape);
        await inspected(url, { body }, before);
      }
    },
    patience,
  );
});
