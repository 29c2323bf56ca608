import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { InspectorsConfig } from '@waybill/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { parseDistributionPath } from './distribution-path.js';
import { ManifestError, readManifest } from './image-manifest.js';
import { ociInspectors } from './index.js';

const base = 'https://images.registry.example';
const config: InspectorsConfig = {
  oci: {
    registries: {
      main: {
        url: base,
        repositories: ['library/**', 'team/app'],
        auth: ['https://auth.registry.example/token'],
        blobs: ['https://cdn.registry.example/**'],
        keys: [],
      },
    },
  },
};
const inspectors = () => ociInspectors(config);

const digestOf = (bytes: string | Uint8Array, algorithm = 'sha256') =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
const layer = Buffer.from('layer bytes');
const imageType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const imageOf = (more: object = {}) =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf('{}'), size: 2 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(layer), size: layer.length }],
    annotations: { 'org.opencontainers.image.version': '12.1', 'org.opencontainers.image.licenses': 'MIT' },
    ...more,
  });
const image = imageOf();
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: indexType,
  manifests: [{ mediaType: imageType, digest: digestOf(image), size: image.length, platform: { os: 'linux' } }],
});
const manifestUrl = (reference: string) => `${base}/v2/library/debian/manifests/${reference}`;
const blobUrl = `${base}/v2/library/debian/blobs/${digestOf(layer)}`;
const pulled = (session: FakeSession) => session.download(manifestUrl('12'), { body: image, mediaType: imageType });

describeInspector({
  id: 'oci.manifest',
  inspectors,
  integrity: 'format',
  good: {
    name: 'an image by its tag',
    request: manifestUrl('12'),
    response: { body: image, mediaType: imageType },
    opinion: 'Approved',
    metadata: {
      type: imageType,
      name: 'library/debian',
      version: '12.1',
      license: 'MIT',
      vendor: 'images.registry.example',
      'content-id': digestOf(image),
      purl: `pkg:oci/debian@${digestOf(image)}?repository_url=images.registry.example%2Flibrary%2Fdebian&tag=12`,
    },
    annotations: { digest: digestOf(image), tag: '12', kind: 'image', entries: 2 },
  },
  cases: [
    {
      name: 'an index by its tag',
      request: manifestUrl('latest'),
      response: { body: index, mediaType: indexType },
      opinion: 'Approved',
      annotations: { kind: 'index' },
    },
    {
      name: 'an image by its digest',
      request: manifestUrl(digestOf(image)),
      response: { body: image, mediaType: imageType },
      opinion: 'Approved',
    },
    {
      name: 'an image by its sha512',
      request: manifestUrl(digestOf(image, 'sha512')),
      response: { body: image, mediaType: imageType },
      opinion: 'Approved',
    },
    {
      name: 'other bytes under a digest',
      request: manifestUrl(digestOf(image)),
      response: { body: imageOf({ annotations: {} }), mediaType: imageType },
      opinion: 'Rejected',
      reason: /expected library\/debian@sha256:.*, found sha256:/,
    },
    {
      name: 'referrers',
      request: `${base}/v2/library/debian/referrers/${digestOf(image)}`,
      response: { body: index, mediaType: indexType },
      opinion: 'Approved',
    },
    ...(
      [
        ['an image sent as an index', image, indexType, /an image of the type/],
        [
          'another type inside than outside',
          imageOf({ mediaType: 'application/vnd.docker.distribution.manifest.v2+json' }),
          imageType,
          /sent as/,
        ],
        [
          'an image that is an index as well',
          JSON.stringify({ ...JSON.parse(image), manifests: [] }),
          imageType,
          /or both/,
        ],
        ['schema 1', '{"schemaVersion":1,"fsLayers":[]}', imageType, /schema 1/],
        ['an entry without a digest', imageOf({ layers: [{ size: 1 }] }), imageType, /without a digest/],
        ['an entry without a size', imageOf({ layers: [{ digest: digestOf('x') }] }), imageType, /has no size/],
        ['a page', '<html>', imageType, /not JSON/],
      ] as const
    ).map(
      ([name, body, mediaType, reason]): InspectorCase => ({
        name,
        request: manifestUrl('12'),
        response: { body, mediaType },
        opinion: 'Rejected',
        reason,
      }),
    ),
    { name: 'a push', request: { url: manifestUrl('12'), method: 'PUT' }, claim: 'Rejected' },
    { name: 'a repository that is not allowed', request: `${base}/v2/team/other/manifests/1`, claim: 'unclaimed' },
    { name: 'another registry', request: 'https://images.example/v2/library/debian/manifests/12', claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'oci.blob',
  inspectors,
  good: {
    name: 'a layer',
    request: blobUrl,
    response: { body: layer },
    before: pulled,
    opinion: 'Approved',
    metadata: { 'content-id': digestOf(layer) },
  },
  cases: [
    {
      name: 'a layer where the registry redirects to',
      request: 'https://cdn.registry.example/x/data?signature=1',
      response: { body: layer },
      before: pulled,
      opinion: 'Approved',
    },
    {
      name: 'other bytes there',
      request: 'https://cdn.registry.example/x/data',
      response: { body: 'x' },
      before: pulled,
      opinion: 'Rejected',
      reason: /no manifest of this session lists/,
    },
    {
      name: 'a layer before its manifest',
      request: blobUrl,
      response: { body: layer },
      opinion: 'Rejected',
      reason: /no manifest/,
    },
    {
      name: 'an upload',
      request: { url: `${base}/v2/library/debian/blobs/uploads/`, method: 'POST' },
      claim: 'Rejected',
      claimReason: /upload/,
    },
  ],
});

describeInspector({
  id: 'oci.registry',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a token',
    request: 'https://auth.registry.example/token?service=x&scope=repository:library/debian:pull',
    response: { body: '{"token":"abc"}' },
    opinion: 'Approved',
  },
  cases: [
    { name: 'that it is there', request: `${base}/v2/`, response: { body: '{}' }, opinion: 'Approved' },
    { name: 'something else in its place', request: `${base}/v2/`, response: { body: '{"a":1}' }, opinion: 'Rejected' },
    {
      name: 'tags',
      request: `${base}/v2/library/debian/tags/list`,
      response: { body: '{"name":"library/debian","tags":["12"]}' },
      opinion: 'Approved',
    },
    {
      name: 'tags of another',
      request: `${base}/v2/library/debian/tags/list`,
      response: { body: '{"name":"evil","tags":[]}' },
      opinion: 'Rejected',
    },
    { name: 'no token', request: 'https://auth.registry.example/token', response: { body: '{}' }, opinion: 'Rejected' },
  ],
});

describe('vouched digests', () => {
  it('of a layer are known before it is fetched', async () => {
    const session = createFakeSession({ inspectors: inspectors() });
    try {
      await pulled(session);
      expect((await session.download(blobUrl, { body: layer })).vouched).toMatchObject([
        { digests: [{ algorithm: 'sha256', hex: digestOf(layer).slice(7) }], size: layer.length },
      ]);
    } finally {
      await session.close();
    }
  });
});

describe('cosign signatures', () => {
  const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = ours.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const main = config.oci?.registries.main;
  const signed: InspectorsConfig = {
    oci: { registries: { main: { ...main, keys: [pem] } as NonNullable<typeof main> } },
  };

  function answers(key: typeof ours.privateKey, of = digestOf(image)) {
    const payload = JSON.stringify({
      critical: { image: { 'docker-manifest-digest': of }, type: 'cosign container image signature' },
    });
    const signature = sign('sha256', Buffer.from(payload), key).toString('base64');
    const manifest = imageOf({
      layers: [
        {
          mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
          digest: digestOf(payload),
          size: payload.length,
          annotations: { 'dev.cosignproject.cosign/signature': signature },
        },
      ],
    });
    return {
      [manifestUrl(`${digestOf(image).replace(':', '-')}.sig`)]: manifest,
      [`${base}/v2/library/debian/blobs/${digestOf(payload)}`]: payload,
    };
  }

  it.each([
    ['by the configured key', answers(ours.privateKey), 'Approved', /is sha256:/],
    ['by another key', answers(theirs.privateKey), 'Rejected', /is by a key of/],
    ['of another image', answers(ours.privateKey, digestOf('x')), 'Rejected', /is by a key of/],
    ['none', {}, 'Rejected', /has no signature of/],
  ])('%s', async (_name, companions, result, reason) => {
    const session = createFakeSession({ inspectors: ociInspectors(signed), companions });
    try {
      const found = await session.download(manifestUrl('12'), { body: image, mediaType: imageType });
      expect(found.artifact.get('oci.manifest')?.reason).toMatch(reason);
      expect(found.result).toBe(result);
    } finally {
      await session.close();
    }
  });
});

describe('paths and texts', () => {
  it.each([
    ['v2/', 'ping'],
    ['v2/a/b/c/tags/list', 'tags'],
    ['v2/a/manifests/latest', 'manifest'],
    [`v2/a/blobs/${digestOf('x')}`, 'blob'],
    ['v2/a/blobs/uploads/123', 'upload'],
    [`v2/a/referrers/${digestOf('x')}`, 'referrers'],
  ])('%s', (path, kind) => expect(parseDistributionPath(path)?.kind).toBe(kind));

  it.each([
    'v1/',
    'v2/A/manifests/x',
    'v2/../manifests/x',
    'v2/a/manifests/a b',
    'v2/a/blobs/sha256:12',
    'v2/a/manifests/%2e%2e',
    'v2/_catalog',
  ])('%s is none', (path) => expect(parseDistributionPath(path)).toBeUndefined());

  it('no manifest breaks the reader in another way than its own error', () =>
    fc.assert(
      fc.property(fc.json(), fc.string(), fc.nat(400), (value, text, at) => {
        for (const given of [value, text, image.slice(0, at) + text + image.slice(at)]) {
          try {
            readManifest(given);
          } catch (error) {
            expect(error).toBeInstanceOf(ManifestError);
          }
        }
      }),
      { numRuns: 300 },
    ));
});

describe('what is sent to a token service', () => {
  const tokenUrl = 'https://auth.registry.example/token';
  const claim = (request: Parameters<FakeSession['request']>[0]) =>
    createFakeSession({ inspectors: inspectors() }).request(request).get('oci.registry');

  it.each([
    ['the usual query', `${tokenUrl}?service=x&scope=repository%3Ateam%2Fapp%3Apull`, ['query']],
    ['no query', tokenUrl, []],
    ['another field', `${tokenUrl}?service=x&secrets=of-the-build`, []],
    ['more than a scope needs', `${tokenUrl}?scope=${'x'.repeat(2000)}`, []],
    [
      'a form',
      { url: tokenUrl, method: 'POST', body: 'grant_type=refresh_token&service=x&refresh_token=y' },
      ['method', 'body'],
    ],
  ])('%s', (_name, request, needs) =>
    expect(claim(request)).toMatchObject({ opinion: 'Pending', needs, secretAnswer: true }),
  );

  it('a form with something else in it is refused', () =>
    expect(claim({ url: tokenUrl, method: 'POST', body: 'grant_type=x&secrets=y' })).toMatchObject({
      opinion: 'Rejected',
    }));
});
