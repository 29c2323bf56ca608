import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { InspectorsConfig } from '@waybill/contracts';
import {
  buildPackageTarball,
  buildTar,
  hostilePackageTarballs,
  packageMembers,
  zipBombTarball,
} from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { archiveLimits } from '../archive/expand.js';
import { npmPackument } from './packument.js';
import { npmTarball } from './tarball.js';

const registry = 'https://registry.example/npm';
const config: InspectorsConfig = {
  npm: {
    registries: {
      default: { url: registry, tarballs: ['https://cdn.example:443/**'] },
      inner: { url: 'http://registry.example/npm/', tarballs: [] },
    },
  },
};
const inspectors = () => [npmPackument(config), npmTarball(config)];

const manifest = {
  name: '@s/pad',
  version: '1.3.0',
  description: 'Pads\u202e a\tstring',
  license: 'Apache License, Version 2.0',
  author: 'Ann <ann@mail.example> (https://ann.example)',
};
const tarball = buildPackageTarball({ manifest });

interface Listed {
  readonly bytes?: Uint8Array;
  readonly dist?: object;
  readonly entry?: object;
}

function hash(algorithm: string, bytes: Uint8Array, encoding: 'hex' | 'base64' = 'hex') {
  return createHash(algorithm).update(bytes).digest(encoding);
}

function distOf(bytes: Uint8Array, url = `${registry}/@s/pad/-/pad-1.3.0.tgz`) {
  return { tarball: url, integrity: `sha512-${hash('sha512', bytes, 'base64')}`, shasum: hash('sha1', bytes) };
}

function packument({ bytes = tarball, dist = distOf(bytes), entry = {} }: Listed = {}, top: object = {}): string {
  const versions = { '1.3.0': { name: '@s/pad', version: '1.3.0', dist, ...entry } };
  return JSON.stringify({
    _id: '@s/pad',
    name: '@s/pad',
    description: 'Pads',
    'dist-tags': { latest: '1.3.0' },
    versions,
    ...top,
  });
}

const packumentUrl = `${registry}/@s%2fpad`;
const tarballUrl = `${registry}/@s/pad/-/pad-1.3.0.tgz`;
const listing = (listed?: Listed) => (session: FakeSession) =>
  session.download(packumentUrl, { body: packument(listed) });

describeInspector({
  id: 'npm.packument',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a full packument',
    request: packumentUrl,
    response: { body: packument() },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.npm.packument',
      name: '@s/pad',
      vendor: 'registry.example',
      description: 'Pads',
      purl: 'pkg:npm/%40s/pad',
    },
    annotations: { versions: 1 },
  },
  cases: [
    {
      name: 'unscoped, http, of another registry',
      request: 'http://registry.example/npm/pad',
      response: { body: packument({ entry: { name: 'pad' } }, { name: 'pad' }) },
      opinion: 'Approved',
    },
    {
      name: 'with a query',
      request: `${packumentUrl}?write=true`,
      response: { body: packument() },
      opinion: 'Approved',
    },
    {
      name: 'in gzip',
      request: packumentUrl,
      response: { body: gzipSync(packument()), contentEncoding: 'gzip' },
      opinion: 'Approved',
    },
    {
      name: 'unpublished',
      request: packumentUrl,
      response: { body: '{"name":"@s/pad","time":{"unpublished":{"time":"x"}}}' },
      opinion: 'Approved',
      annotations: { unpublished: true },
    },
    {
      name: 'one version',
      request: `${packumentUrl}/1.3.0`,
      response: { body: JSON.stringify({ ...manifest, dist: distOf(tarball) }) },
      opinion: 'Approved',
      metadata: { version: '1.3.0', purl: 'pkg:npm/%40s/pad@1.3.0' },
    },
    {
      name: 'the version of a tag',
      request: `${packumentUrl}/latest`,
      response: { body: JSON.stringify({ ...manifest, dist: distOf(tarball) }) },
      opinion: 'Approved',
    },
    {
      name: 'dist-tags',
      request: `${registry}/-/package/@s%2fpad/dist-tags`,
      response: { body: '{"latest":"1.3.0"}' },
      opinion: 'Approved',
      metadata: { type: 'application/x.npm.dist-tags' },
    },
    { name: 'HEAD', request: { url: packumentUrl, method: 'HEAD' } },
    {
      name: 'of another package',
      request: `${registry}/other`,
      response: { body: packument() },
      opinion: 'Rejected',
      reason: /expected the packument of other, found one of "@s\/pad"/,
    },
    {
      name: 'without a name',
      request: packumentUrl,
      response: { body: '{"error":"not found"}' },
      opinion: 'Rejected',
      reason: /without a name/,
    },
    {
      name: 'no version',
      request: packumentUrl,
      response: { body: '{"name":"@s/pad"}' },
      opinion: 'Rejected',
      reason: /lists no version/,
    },
    {
      name: 'not JSON',
      request: packumentUrl,
      response: { body: '<html>' },
      opinion: 'Rejected',
      reason: /unexpected </,
    },
    {
      name: 'an array',
      request: packumentUrl,
      response: { body: '[]' },
      opinion: 'Rejected',
      reason: /expected an object/,
    },
    {
      name: 'versions twice',
      request: packumentUrl,
      response: { body: packument().replace('{', '{"versions":{},') },
      opinion: 'Rejected',
      reason: /"versions" twice/,
    },
    {
      name: 'one version twice',
      request: packumentUrl,
      response: { body: packument().replace('"1.3.0":{', '"1.3.0":{},"1.3.0":{') },
      opinion: 'Rejected',
      reason: /"1.3.0" twice/,
    },
    {
      name: 'an entry of another version',
      request: packumentUrl,
      response: { body: packument({ entry: { version: '9.9.9' } }) },
      opinion: 'Rejected',
      reason: /contradicts itself: versions\["1.3.0"\].version is "9.9.9"/,
    },
    {
      name: 'an entry of another package',
      request: packumentUrl,
      response: { body: packument({ entry: { name: 'evil' } }) },
      opinion: 'Rejected',
      reason: /name is "evil"/,
    },
    {
      name: 'a key that is no version',
      request: packumentUrl,
      response: { body: packument().replaceAll('"1.3.0"', '"../x"') },
      opinion: 'Rejected',
      reason: /not a version/,
    },
    {
      name: "one version's document for a packument",
      request: packumentUrl,
      response: { body: JSON.stringify({ ...manifest, dist: {} }) },
      opinion: 'Rejected',
      reason: /document of one version/,
    },
    {
      name: 'a packument for one version',
      request: `${packumentUrl}/1.3.0`,
      response: { body: packument() },
      opinion: 'Rejected',
      reason: /names no version/,
    },
    {
      name: 'another version than asked for',
      request: `${packumentUrl}/1.0.0`,
      response: { body: JSON.stringify(manifest) },
      opinion: 'Rejected',
      reason: /expected @s\/pad@1.0.0, found 1.3.0/,
    },
    {
      name: 'dist-tags with something else',
      request: `${registry}/-/package/@s%2fpad/dist-tags`,
      response: { body: '{"latest":{}}' },
      opinion: 'Rejected',
      reason: /"latest" is no version/,
    },
    {
      name: 'publishing',
      request: { url: packumentUrl, method: 'PUT', body: '{}' },
      claim: 'Rejected',
      claimReason: /PUT changes @s\/pad/,
    },
    { name: 'another origin', request: 'https://elsewhere.example/npm/pad', claim: 'unclaimed' },
    { name: 'another port', request: 'https://registry.example:8443/npm/pad', claim: 'unclaimed' },
    { name: 'beside the base', request: 'https://registry.example/npmx/pad', claim: 'unclaimed' },
    {
      name: 'an audit',
      request: { url: `${registry}/-/npm/v1/security/advisories/bulk`, method: 'POST', body: '{}' },
      claim: 'unclaimed',
    },
    { name: 'a tarball', request: tarballUrl, claim: 'unclaimed' },
  ] satisfies InspectorCase[],
});

describeInspector({
  id: 'npm.tarball',
  inspectors: () => [
    npmPackument(config),
    npmTarball(config, {
      limits: { ...archiveLimits, maxBytes: 32 * 2 ** 20, ratioFreeBytes: 2 ** 20, maxEntries: 1000 },
    }),
  ],
  good: {
    name: 'as its packument lists it',
    before: listing(),
    request: tarballUrl,
    response: { body: tarball },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.npm.package',
      name: '@s/pad',
      version: '1.3.0',
      description: 'Pads\ufffd a string',
      author: 'Ann',
      'author-email': 'ann@mail.example',
      license: 'Apache-2.0',
      vendor: 'registry.example',
      purl: 'pkg:npm/%40s/pad@1.3.0',
    },
    annotations: { integrity: 'sha512' },
  },
  cases: [
    {
      name: 'with the scope encoded',
      before: listing(),
      request: `${registry}/@s%2fpad/-/pad-1.3.0.tgz`,
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'with the scope repeated and a query',
      before: listing(),
      request: `${registry}/@s/pad/-/@s/pad-1.3.0.tgz?x=1`,
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'another top directory',
      before: listing({ bytes: buildPackageTarball({ manifest, directory: 'pad-master' }) }),
      request: tarballUrl,
      response: { body: buildPackageTarball({ manifest, directory: 'pad-master' }) },
      opinion: 'Approved',
    },
    {
      name: 'plain tar',
      before: listing({ bytes: buildTar(packageMembers({ manifest })) }),
      request: tarballUrl,
      response: { body: buildTar(packageMembers({ manifest })) },
      opinion: 'Approved',
    },
    {
      name: 'in a Content-Encoding that the client removes',
      before: listing({ bytes: gunzipSync(tarball) }),
      request: tarballUrl,
      response: { body: tarball, contentEncoding: 'gzip' },
      opinion: 'Approved',
      annotations: { 'digest-of': 'decoded bytes' },
    },
    {
      name: 'sha1 only',
      before: listing({ dist: { tarball: tarballUrl, shasum: hash('sha1', tarball) } }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Approved',
      annotations: { integrity: 'sha1', 'weak-integrity': true },
    },
    {
      name: 'several digests of the strongest algorithm',
      before: listing({
        dist: {
          ...distOf(tarball),
          integrity: `sha512-${'A'.repeat(86)}== sha512-${hash('sha512', tarball, 'base64')}`,
        },
      }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'from a CDN by the conventional path',
      before: listing(),
      request: 'https://cdn.example/mirror/@s/pad/-/pad-1.3.0.tgz',
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'from a CDN by an odd path',
      before: listing({ dist: distOf(tarball, 'https://cdn.example/d/@s/pad/1.3.0/abc') }),
      request: 'https://cdn.example/d/@s/pad/1.3.0/abc?sig=1',
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: "with the registry's host put in place of the listed one",
      before: listing({ dist: distOf(tarball, 'https://listed.example/npm/@s/pad/-/odd.tgz') }),
      request: `${registry}/@s/pad/-/odd.tgz`,
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'by the document of its version',
      before: (session) =>
        session.download(`${packumentUrl}/1.3.0`, { body: JSON.stringify({ ...manifest, dist: distOf(tarball) }) }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Approved',
    },
    {
      name: 'build metadata only in the archive',
      before: listing({ bytes: buildPackageTarball({ manifest: { ...manifest, version: 'v1.3.0+linux' } }) }),
      request: tarballUrl,
      response: { body: buildPackageTarball({ manifest: { ...manifest, version: 'v1.3.0+linux' } }) },
      opinion: 'Approved',
      metadata: { version: '1.3.0' },
    },
    {
      name: 'a weak digest does not save a wrong strong one',
      before: listing({ dist: { ...distOf(tarball), integrity: `sha512-${'A'.repeat(86)}==` } }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /expected @s\/pad@1.3.0 with sha512:0000/,
    },
    {
      name: 'other bytes',
      before: listing(),
      request: tarballUrl,
      response: { body: buildPackageTarball({ manifest, files: { 'index.js': 'evil()' } }) },
      opinion: 'Rejected',
      reason: /expected .* with sha512:[0-9a-f]{128}, found sha512:[0-9a-f]{128}/,
    },
    {
      name: 'another package under the listed digest',
      before: listing({ bytes: buildPackageTarball({ manifest: { ...manifest, name: 'evil' } }) }),
      request: tarballUrl,
      response: { body: buildPackageTarball({ manifest: { ...manifest, name: 'evil' } }) },
      opinion: 'Rejected',
      reason: /expected @s\/pad@1.3.0, the archive holds "evil@1.3.0"/,
    },
    {
      name: 'another version under the listed digest',
      before: listing({ bytes: buildPackageTarball({ manifest: { ...manifest, version: '1.2.0' } }) }),
      request: tarballUrl,
      response: { body: buildPackageTarball({ manifest: { ...manifest, version: '1.2.0' } }) },
      opinion: 'Rejected',
      reason: /the archive holds "@s\/pad@1.2.0"/,
    },
    {
      name: 'no digest listed',
      before: listing({ dist: { tarball: tarballUrl } }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /gives no digest/,
    },
    {
      name: 'no packument in the session',
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /no packument of npm.registries.default/,
      annotations: { hint: expect.stringContaining('npm view @s/pad') },
    },
    {
      name: 'a packument of another registry does not count',
      before: (session) => session.download('http://registry.example/npm/@s%2fpad', { body: packument() }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /no packument/,
    },
    {
      name: 'a rejected packument does not count',
      before: (session) => session.download(packumentUrl, { body: packument({ entry: { name: 'evil' } }) }),
      request: tarballUrl,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /no packument/,
    },
    {
      name: 'a version that is not listed',
      before: listing(),
      request: `${registry}/@s/pad/-/pad-9.0.0.tgz`,
      response: { body: tarball },
      opinion: 'Rejected',
      reason: /lists @s\/pad@9.0.0/,
    },
    {
      name: 'a zip bomb',
      before: listing({ bytes: zipBombTarball(manifest, 16 * 2 ** 20) }),
      request: tarballUrl,
      response: { body: zipBombTarball(manifest, 16 * 2 ** 20) },
      opinion: 'Rejected',
      reason: /expands more than 250 times/,
    },
    {
      name: 'an archive too large',
      before: listing({
        bytes: buildTar([...packageMembers({ manifest }), { path: 'package/x', body: Buffer.alloc(33 * 2 ** 20) }]),
      }),
      request: tarballUrl,
      response: {
        body: buildTar([...packageMembers({ manifest }), { path: 'package/x', body: Buffer.alloc(33 * 2 ** 20) }]),
      },
      opinion: 'Rejected',
      reason: /more than 33554432 bytes/,
    },
    {
      name: 'too many members',
      before: listing({ bytes: buildTar(Array.from({ length: 1001 }, (_, i) => ({ path: `package/${i}` }))) }),
      request: tarballUrl,
      response: { body: buildTar(Array.from({ length: 1001 }, (_, i) => ({ path: `package/${i}` }))) },
      opinion: 'Rejected',
      reason: /more than 1000 members/,
    },
    ...Object.entries(hostilePackageTarballs(manifest)).map(
      ([name, bytes]): InspectorCase => ({
        name: `hostile: ${name}`,
        before: listing({ bytes }),
        request: tarballUrl,
        response: { body: bytes },
        opinion: 'Rejected',
        reason: /^@s\/pad@1\.3\.0: (the archive|package\.json|"package)/,
      }),
    ),
    { name: 'unpublishing', request: { url: tarballUrl, method: 'DELETE' }, claim: 'Rejected' },
    { name: 'another origin', request: 'https://elsewhere.example/@s/pad/-/pad-1.3.0.tgz', claim: 'unclaimed' },
    { name: 'another file type', request: `${registry}/@s/pad/-/pad-1.3.0.zip`, claim: 'unclaimed' },
    { name: 'a packument', request: packumentUrl, claim: 'unclaimed' },
  ] satisfies InspectorCase[],
});

describe('what vouches for a tarball', () => {
  let session: FakeSession;
  afterEach(() => session.close());

  it('is its packument, whose voucher is the configured origin', async () => {
    session = createFakeSession({ inspectors: inspectors() });
    const index = await session.download(packumentUrl, { body: packument() });
    expect(index.artifact.get('npm.packument')?.vouchedBy).toEqual([
      { kind: 'origin', id: 'npm.registries.default', name: 'registry.example' },
    ]);
    expect(index.artifact.get('npm.packument')?.provides).toMatchObject([
      { scope: 'npm.packument:npm.registries.default:@s/pad', kind: 'npm.packument' },
    ]);
    const found = await session.download(tarballUrl, { body: tarball });
    const link = { kind: 'artifact', sha256: index.sha256, inspector: 'npm.packument', name: 'packument of @s/pad' };
    expect(found.artifact.get('npm.tarball')?.vouchedBy).toEqual([link]);
    expect(found.vouched).toEqual([
      { digests: [{ algorithm: 'sha512', hex: hash('sha512', tarball) }], vouchedBy: link },
    ]);
    expect(session.companionsAsked).toEqual([]);
  });

  it.each([
    [
      'the document of the version',
      { [`${registry}/@s%2fpad/1.3.0`]: JSON.stringify({ ...manifest, dist: distOf(tarball) }) },
      'Approved',
    ],
    ['the packument', { [`${registry}/@s%2fpad`]: packument() }, 'Approved'],
    ['a packument of another package', { [`${registry}/@s%2fpad`]: packument({}, { name: 'other' }) }, 'Rejected'],
    ['something else', { [`${registry}/@s%2fpad/1.3.0`]: '<html>' }, 'Rejected'],
  ])('is asked from the registry when an install reads only its lock file: %s', async (_name, companions, result) => {
    session = createFakeSession({ inspectors: inspectors(), companions });
    const found = await session.download(tarballUrl, { body: tarball });
    expect(found.result).toBe(result);
    expect(session.companionsAsked[0]).toBe(`${registry}/@s%2fpad/1.3.0`);
    if (result === 'Approved') {
      expect(found.artifact.get('npm.tarball')).toMatchObject({
        vouchedBy: [
          { kind: 'artifact', inspector: 'npm.packument', name: 'packument of @s/pad', sha256: sha256Of(companions) },
        ],
        annotations: { 'listed-in': expect.stringContaining('@s%2fpad') },
      });
    }
  });

  function sha256Of(companions: Readonly<Record<string, string>>): string {
    return hash('sha256', Buffer.from(Object.values(companions)[0] ?? ''));
  }

  it('is asked from the registry for a tarball on another host too', async () => {
    session = createFakeSession({ inspectors: inspectors(), companions: { [`${registry}/@s%2fpad`]: packument() } });
    const found = await session.download('https://cdn.example/@s/pad/-/pad-1.3.0.tgz', { body: tarball });
    expect(found.result).toBe('Approved');
  });

  it('is any of the packuments of the session, so that a republished index does not undo an older one', async () => {
    session = createFakeSession({ inspectors: inspectors() });
    const newer = buildPackageTarball({ manifest, files: { 'index.js': 'newer' } });
    await session.download(packumentUrl, { body: packument() });
    await session.download(packumentUrl, { body: packument({ bytes: newer }) });
    expect((await session.download(tarballUrl, { body: tarball })).result).toBe('Approved');
    expect((await session.download(tarballUrl, { body: newer })).result).toBe('Approved');
  });
});

it('a tarball that many registries may serve is looked for in all of them', async () => {
  const shared = { url: 'https://second.example/', tarballs: ['https://cdn.example:443/**'] };
  const both: InspectorsConfig = { npm: { registries: { ...config.npm?.registries, second: shared } } };
  const session = createFakeSession({ inspectors: [npmPackument(both), npmTarball(both)] });
  await session.download('https://second.example/@s%2fpad', { body: packument() });
  const found = await session.download('https://cdn.example/@s/pad/-/pad-1.3.0.tgz', { body: tarball });
  expect(found.result).toBe('Approved');
  await session.close();
});
