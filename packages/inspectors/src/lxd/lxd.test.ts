import { inspectorsConfigSchema } from '@waybill/contracts';
import { buildTgz } from '@waybill/testkit';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clearsign, detachSign, hex, testKey } from '../../test/apt-fixtures.js';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { lxdInspectors } from './index.js';

const key = await testKey();
const stranger = await testKey();
const config = inspectorsConfigSchema.parse({
  lxd: {
    servers: {
      cloud: { url: 'https://images.registry.example' },
      signed: { url: 'http://signed.registry.example/', 'public-key': key.armored },
      plain: { url: 'http://plain.registry.example/' },
    },
  },
});
const inspectors = () => lxdInspectors(config);
const json = (value: unknown) => ({ body: JSON.stringify(value) });
const base = 'https://images.registry.example';

const index = (more: object = {}) => ({
  format: 'index:1.0',
  index: {
    'com.example:daily:download': { format: 'products:1.0', datatype: 'image-downloads', path: 'x.json', ...more },
  },
});
const indexUrl = `${base}/buildd/daily/streams/v1/index.json`;
const bad = (request: string, ...all: readonly (readonly [string, unknown, RegExp])[]): InspectorCase[] =>
  all.map(([name, value, reason]) => ({ name, request, response: json(value), opinion: 'Rejected', reason }));

describeInspector({
  id: 'lxd.simple-streams.index',
  inspectors,
  integrity: 'format',
  good: {
    name: 'an index',
    request: indexUrl,
    response: json(index()),
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.simplestreams-index', vendor: 'images.registry.example' },
  },
  cases: [
    ...bad(
      indexUrl,
      ['another format', { ...index(), format: 'index:2.0' }, /index:1\.0/],
      ['another kind of catalog', index({ datatype: 'tools' }), /expected products:1\.0/],
      ['no index', { format: 'index:1.0' }, /index/],
    ),
    {
      name: 'plain http without a key',
      request: 'http://plain.registry.example/streams/v1/index.json',
      claim: 'Rejected',
      claimReason: /plain http and has no public-key/,
    },
    { name: 'a post', request: { url: indexUrl, method: 'POST' }, claim: 'Rejected' },
    { name: 'another server', request: 'https://images.example/streams/v1/index.json', claim: 'unclaimed' },
  ],
});

const rootfs = (more: readonly { path: string; body: string }[] = []) =>
  buildTgz([
    {
      path: 'metadata.yaml',
      body: 'architecture: x86_64\ncreation_date: 1750000000\nproperties: {os: test, release: "24"}\n',
    },
    { path: 'rootfs/etc/os-release', body: 'ID=test\n' },
    ...more,
  ]);
const image = rootfs();
const products = (bytes: Uint8Array = image, more: object = {}) => ({
  format: 'products:1.0',
  datatype: 'image-downloads',
  updated: 'Wed, 01 Jan 2026 00:00:00 +0000',
  products: {
    'com.example:24:amd64': {
      versions: {
        '20260101': {
          items: {
            'lxd.tar.gz': {
              path: '24/20260101/image.tar.gz',
              sha256: hex('sha256', bytes),
              size: bytes.length,
              ...more,
            },
          },
        },
      },
    },
  },
});
const catalogUrl = `${base}/buildd/daily/streams/v1/com.example:daily:download.json`;
const imageUrl = `${base}/buildd/daily/24/20260101/image.tar.gz`;

const signedUrl = 'http://signed.registry.example/streams/v1/com.example:daily:download';
const text = JSON.stringify(products());
const signature = await detachSign(text, key);

describeInspector({
  id: 'lxd.simple-streams.download',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a catalog',
    request: catalogUrl,
    response: json(products()),
    opinion: 'Approved',
    reason: /1 files/,
    metadata: { type: 'application/x.canonical.simplestreams-products' },
  },
  cases: [
    {
      name: 'with an escaped colon',
      request: catalogUrl.replaceAll(':daily:', '%3Adaily%3A'),
      response: json(products()),
      opinion: 'Approved',
    },
    {
      name: 'signed inside',
      request: `${signedUrl}.sjson`,
      response: async () => ({ body: await clearsign(text, key) }),
      opinion: 'Approved',
    },
    {
      name: 'signed beside',
      request: `${signedUrl}.json`,
      response: { body: text },
      session: { companions: { [`${signedUrl}.json.gpg`]: signature } },
      opinion: 'Approved',
    },
    {
      name: 'signed by a stranger',
      request: `${signedUrl}.sjson`,
      response: async () => ({ body: await clearsign(text, stranger) }),
      opinion: 'Rejected',
      reason: /none of them a configured key/,
    },
    {
      name: 'signed, and something behind it',
      request: `${signedUrl}.sjson`,
      response: async () => ({ body: `${await clearsign(text, key)}x` }),
      opinion: 'Rejected',
    },
    {
      name: 'not signed where it must be',
      request: `${signedUrl}.json`,
      response: { body: text },
      opinion: 'Rejected',
      reason: /has no .*\.gpg/,
    },
    {
      name: 'with the signature of another',
      request: `${signedUrl}.json`,
      response: { body: `${text} ` },
      session: { companions: { [`${signedUrl}.json.gpg`]: signature } },
      opinion: 'Rejected',
      reason: /signature does not count/,
    },
    ...bad(
      catalogUrl,
      ['another format', { ...products(), format: 'x' }, /products:1\.0/],
      ['no date', { ...products(), updated: '' }, /no updated/],
      ['a path out of it', products(image, { path: '../x' }), /the path/],
      ['a path from the root', products(image, { path: '/x' }), /the path/],
      ['a digest that is none', products(image, { sha256: 'abc' }), /the sha256/],
      ['no products', { ...products(), products: [] }, /products/],
    ),
  ],
});

const listed =
  (bytes: Uint8Array = image, more?: object) =>
  (session: FakeSession) =>
    session.download(catalogUrl, json(products(bytes, more)));
const tgz = (...members: { path: string; body: string }[]) => buildTgz(members);
describeInspector({
  id: 'lxd.rootfs',
  inspectors,
  good: {
    name: 'an image that the catalog lists',
    request: imageUrl,
    before: listed(),
    response: { body: image },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.canonical.lxd-rootfs',
      name: 'image.tar.gz',
      version: '1750000000',
      architecture: 'x86_64',
    },
    annotations: { product: 'com.example:24:amd64', os: 'test' },
  },
  cases: [
    {
      name: 'one that nobody listed',
      request: imageUrl,
      response: { body: image },
      opinion: 'Rejected',
      reason: /no catalog of this session lists/,
    },
    {
      name: 'another size',
      request: imageUrl,
      before: listed(image, { size: 1 }),
      response: { body: image },
      opinion: 'Rejected',
      reason: /expected 1 bytes/,
    },
    {
      name: 'under another name',
      request: imageUrl.replace('image.tar', 'other.tar'),
      before: listed(),
      response: { body: image },
      opinion: 'Rejected',
    },
    {
      name: 'of another server',
      request: 'http://signed.registry.example/buildd/daily/24/20260101/image.tar.gz',
      before: listed(),
      response: { body: image },
      opinion: 'Rejected',
    },
    ...(
      [
        ['no metadata', tgz({ path: 'rootfs/x', body: 'x' }), /no metadata.yaml/],
        ['no rootfs', tgz({ path: 'metadata.yaml', body: 'architecture: x\nproperties: {os: y}\n' }), /no rootfs/],
        [
          'metadata of nothing',
          tgz({ path: 'metadata.yaml', body: '{}' }, { path: 'rootfs/x', body: '' }),
          /no architecture/,
        ],
        ['metadata twice', rootfs([{ path: './metadata.yaml', body: 'x: 1' }]), /two metadata.yaml/],
        ['a path out of it', rootfs([{ path: 'rootfs/../../x', body: 'x' }]), /path with \.\./],
        ['no archive', Buffer.from('nothing of the kind'), /expected the image/],
      ] as const
    ).map(
      ([name, bytes, reason]): InspectorCase => ({
        name,
        request: imageUrl,
        before: listed(bytes),
        response: { body: bytes },
        opinion: 'Rejected',
        reason,
      }),
    ),
    {
      name: 'a squashfs, by its digest alone',
      request: `${base}/buildd/daily/24/20260101/root.squashfs`,
      before: listed(Buffer.from('hsqs'), { path: '24/20260101/root.squashfs' }),
      response: { body: 'hsqs' },
      opinion: 'Approved',
    },
  ],
});

const typesUrl = `${base}/meta/instance-types/all.yaml`;
describeInspector({
  id: 'lxd.instance-types',
  inspectors,
  integrity: 'format',
  good: {
    name: 'of all providers',
    request: typesUrl,
    response: { body: 'aws:\n  t1:\n    cpu: 1.0\n    mem: 0.5\n' },
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.lxd-instance-types', name: 'all.yaml' },
  },
  cases: [
    { name: 'of one provider', request: typesUrl, response: { body: 't1: {cpu: 1, mem: 2}\n' }, opinion: 'Approved' },
    { name: 'an index', request: typesUrl, response: { body: 'aws: aws.yaml\n' }, opinion: 'Approved' },
    { name: 'something else', request: typesUrl, response: { body: 'aws: [1]\n' }, opinion: 'Rejected' },
    { name: 'no YAML', request: typesUrl, response: { body: 'a: [' }, opinion: 'Rejected', reason: /no YAML/ },
    {
      name: 'over plain http',
      request: 'http://plain.registry.example/meta/instance-types/all.yaml',
      claim: 'Rejected',
    },
  ],
});

it('an image is vouched for before it comes', async () => {
  const session = createFakeSession({ inspectors: inspectors() });
  await listed()(session);
  const { vouched } = await session.download(imageUrl, { body: image });
  expect(vouched).toMatchObject([
    { size: image.length, digests: [{ algorithm: 'sha256', hex: hex('sha256', image) }] },
  ]);
  await session.close();
});

it('never breaks on any JSON', () =>
  fc.assert(
    fc.asyncProperty(fc.json(), fc.constantFrom(indexUrl, catalogUrl), async (body, url) => {
      const { artifact } = await createFakeSession({ inspectors: inspectors() }).download(url, { body });
      expect([...artifact.values()][0]?.opinion).toBe('Rejected');
    }),
    { numRuns: 300 },
  ));
