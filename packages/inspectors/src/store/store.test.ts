import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { inspectorsConfigSchema } from '@waybill/contracts';
import { buildTar } from '@waybill/testkit';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { storedXz } from '../../test/stored-xz.js';
import { storeInspectors } from './index.js';

const base = 'https://store.registry.example';
const config = inspectorsConfigSchema.parse({
  store: { urls: [`${base}:443/**`] },
  bldbin: { urls: ['https://cdn.registry.example:443/bins/**'] },
});
const inspectors = () => storeInspectors(config);
const json = (value: unknown) => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });

const yaml = (more = '') =>
  `name: tool\nversion: "1.2"\nbase: base@24\narchitecture: amd64\nlicense: MIT\ncontact: [a@mail.example]\nsummary: A tool\n${more}`;
const bin = (text = yaml()) =>
  storedXz(
    Buffer.from(
      buildTar([
        { path: './metadata.yaml', body: text },
        { path: './bin/tool', body: '#!/bin/sh\n' },
      ]),
    ),
  );
const good = bin();
const sha3 = (bytes: Uint8Array) => createHash('sha3-384').update(bytes).digest('hex');
const info = (bytes: Uint8Array = good, more: object = {}) => ({
  name: 'tool',
  'package-id': 'pkg1',
  package: { publisher: { username: 'team' } },
  'channel-map': [
    {
      channel: { name: 'latest/stable' },
      revision: {
        revision: 7,
        download: { url: 'https://cdn.registry.example/bins/x', size: bytes.length, 'sha3-384': sha3(bytes) },
      },
    },
  ],
  ...more,
});
const infoUrl = `${base}/v2/bins/info/tool`;
const binUrl = 'https://cdn.registry.example/bins/tool_7.tar.xz';
const cases = (
  request: InspectorCase['request'],
  ...all: readonly (readonly [string, unknown, RegExp?])[]
): InspectorCase[] =>
  all.map(([name, value, reason]) => ({
    name,
    request,
    response: json(value),
    opinion: 'Rejected',
    ...(reason && { reason }),
  }));

describeInspector({
  id: 'store.info-api',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a package',
    request: `${infoUrl}?fields=channel-map`,
    response: json(info()),
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.store.info-api', name: 'tool', vendor: 'team', 'content-id': 'pkg1' },
    annotations: { name: 'tool', type: 'bins', 'package-id': 'pkg1', publisher: 'team' },
  },
  cases: [
    {
      name: 'without revisions inside revisions',
      request: infoUrl,
      response: json({
        ...info(),
        'channel-map': [{ channel: 'stable', revision: 7, download: { url: 'x', 'sha3-384': sha3(good) } }],
      }),
      opinion: 'Approved',
    },
    ...cases(
      infoUrl,
      ['another package', info(good, { name: 'other' }), /asked for tool, found "other"/],
      ['no channels', info(good, { 'channel-map': [] }), /no channels|download url/],
      ['no publisher', info(good, { package: {} }), /publisher/],
      [
        'a digest that is none',
        info(good, { 'channel-map': [{ download: { url: 'x', 'sha3-384': 'abc' } }] }),
        /the sha3-384 "abc"/,
      ],
      ['no url', info(good, { 'channel-map': [{ download: { 'sha3-384': sha3(good) } }] }), /no download url/],
      ['a list', [], /object/],
    ),
    { name: 'another method', request: { url: infoUrl, method: 'POST' }, claim: 'Rejected' },
    { name: 'another host', request: 'https://other.example/v2/bins/info/tool', claim: 'unclaimed' },
  ],
});

const resolveRequest = { url: `${base}/v2/revisions/resolve`, method: 'POST', body: '{"packages":[]}' };
describeInspector({
  id: 'store.resolve-api',
  inspectors,
  integrity: 'format',
  good: {
    name: 'results',
    request: resolveRequest,
    response: json({ 'package-results': [{ namespace: 'bin', status: 'ok' }] }),
    opinion: 'Approved',
  },
  cases: [
    {
      name: 'craft results',
      request: resolveRequest,
      response: json({ 'craft-results': [{ namespace: 'snap', status: 'error' }] }),
      opinion: 'Approved',
    },
    ...cases(
      resolveRequest,
      ['nothing', {}, /no craft-results/],
      ['another namespace', { 'craft-results': [{ namespace: 'npm', status: 'ok' }] }, /namespace "npm"/],
      ['another status', { 'craft-results': [{ namespace: 'bin', status: 'maybe' }] }, /status "maybe"/],
    ),
    { name: 'a fetch', request: resolveRequest.url, claim: 'Rejected' },
    { name: 'something else sent along', request: { ...resolveRequest, body: 'secrets' }, claim: 'Rejected' },
  ],
});

const transforms = `${base}/v1/craft/workspaces/w-1/transforms`;
describeInspector({
  id: 'store.transforms-api',
  inspectors,
  integrity: 'format',
  good: {
    name: 'transforms',
    request: transforms,
    response: json({ 'workspace-id': 'w-1', transforms: [{ package: { type: 'bin' } }] }),
    opinion: 'Approved',
  },
  cases: [
    {
      name: 'none',
      request: { url: transforms, method: 'POST', body: '{}' },
      response: json({ 'workspace-id': 'w', transforms: [] }),
      opinion: 'Approved',
    },
    ...cases(
      transforms,
      ['no workspace', { transforms: [] }, /workspace-id/],
      ['no transforms', { 'workspace-id': 'w' }, /transforms/],
      ['another type', { 'workspace-id': 'w', transforms: [{ package: { type: 'deb' } }] }, /type "deb"/],
    ),
    { name: 'a deletion', request: { url: transforms, method: 'DELETE' }, claim: 'Rejected' },
  ],
});

function png(chunks: readonly (readonly [string, Buffer])[]): Buffer {
  const parts = chunks.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  });
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts]);
}
const icon = png([
  ['IHDR', Buffer.alloc(13, 1)],
  ['IDAT', Buffer.alloc(50, 2)],
  ['IEND', Buffer.alloc(0)],
]);
const iconUrl = `${base}/site_media/appmedia/2025/01/icon.png`;
describeInspector({
  id: 'store.appmedia',
  inspectors,
  good: {
    name: 'an icon',
    request: iconUrl,
    response: { body: icon },
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.store.appmedia-png', name: 'icon.png' },
  },
  cases: [
    { name: 'a page', request: iconUrl, response: { body: '<html>' }, opinion: 'Rejected' },
    {
      name: 'no header',
      request: iconUrl,
      response: {
        body: png([
          ['IDAT', Buffer.alloc(3)],
          ['IEND', Buffer.alloc(0)],
        ]),
      },
      opinion: 'Rejected',
      reason: /no header/,
    },
    { name: 'another place', request: `${base}/site_media/icon.png`, claim: 'unclaimed' },
  ],
});

const asked = (more?: object, bytes?: Uint8Array) => (session: FakeSession) =>
  session.download(infoUrl, json(info(bytes, more)));
describeInspector({
  id: 'bld.bin',
  inspectors,
  good: {
    name: 'a package that the store lists',
    request: binUrl,
    before: asked(),
    response: { body: good },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.canonical.bld-bin-package',
      name: 'tool',
      version: '1.2',
      architecture: 'amd64',
      license: 'MIT',
      vendor: 'a@mail.example',
      'store-revision': '7',
      'content-id': 'pkg1',
      purl: 'pkg:generic/bin/tool@1.2?package_id=pkg1',
    },
    annotations: { 'package-id': 'pkg1', revision: '7', digest: sha3(good), channel: 'latest/stable', base: 'base@24' },
  },
  cases: [
    {
      name: 'one that nobody listed',
      request: binUrl,
      response: { body: good },
      opinion: 'Rejected',
      reason: /did not list/,
    },
    {
      name: 'listed among charms',
      request: binUrl,
      before: (session) => session.download(`${base}/v2/charms/info/tool`, json(info())),
      response: { body: good },
      opinion: 'Rejected',
      reason: /among the charms/,
    },
    ...(
      [
        ['another name', bin(yaml().replace('name: tool', 'name: other')), /calls it tool/],
        ['no base', bin(yaml().replace('base: base@24\n', '')), /has no base/],
        ['no metadata', storedXz(Buffer.from(buildTar([{ path: 'x', body: 'x' }]))), /has no metadata.yaml/],
        ['no YAML', bin('a: [\n'), /no YAML/],
        ['a list as metadata', bin('- a\n'), /no YAML mapping/],
        [
          'an alias bomb',
          bin(
            `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n${yaml()}`,
          ),
          /no YAML/,
        ],
        ['no archive', Buffer.from('listed, but no archive at all'), /expected a tar.xz/],
      ] as const
    ).map(
      ([name, bytes, reason]): InspectorCase => ({
        name,
        request: binUrl,
        before: asked({}, bytes),
        response: { body: bytes },
        opinion: 'Rejected',
        reason,
      }),
    ),
    { name: 'an upload', request: { url: binUrl, method: 'PUT' }, claim: 'Rejected' },
  ],
});

it('never breaks on any JSON', () =>
  fc.assert(
    fc.asyncProperty(
      fc.json(),
      fc.constantFrom<InspectorCase['request']>(infoUrl, resolveRequest, transforms),
      async (text, request) => {
        const { artifact, request: claims } = await createFakeSession({ inspectors: inspectors() }).download(request, {
          body: text,
        });
        const [[id = ''] = []] = [...claims];
        expect(artifact.get(id)?.opinion).toBe('Rejected');
      },
    ),
    { numRuns: 300 },
  ));
