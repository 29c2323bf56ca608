import { startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { openPipScene, type PipScene, pipClients } from './harness/pip-scene.js';
import {
  changing,
  commonFaults,
  editing,
  expectRedirectRefused,
  expectRefused,
  type Fault,
  flipByte,
} from './harness/refused.js';

const keep = keepForFile();
const clients = await pipClients();
const wheel = '/files/leaf-1.0.0-py3-none-any.whl';
const sdist = '/files/leaf-1.0.0.tar.gz';
const mismatch = /expected leaf-1\.0\.0\S* with sha256:\w+~?, found sha256:/;
let scene: PipScene;

beforeAll(async () => {
  scene = await openPipScene(keep);
});
beforeEach(() => scene.upstream.tamper(undefined));

const zeros = '0'.repeat(64);

/** What the index may say instead of the truth. */
const indexFaults: readonly (readonly [string, string, Fault])[] = [
  [
    'a link with another digest',
    'html',
    {
      tamper: editing('/html/leaf/', (page) => page.replace(/(\.whl)#sha256=\w+/, `$1#sha256=${zeros}`)),
      refused: wheel,
      reason: /expected leaf-1\.0\.0\S* with sha256:000000/,
    },
  ],
  [
    'an entry with another digest',
    'json',
    {
      tamper: editing('/json/leaf/', (page) => page.replace(/("hashes":\{"sha256":")\w+/, `$1${zeros}`)),
      refused: wheel,
      reason: /expected leaf-1\.0\.0\S* with sha256:000000/,
    },
  ],
  [
    'a link without digest',
    'html',
    {
      tamper: editing('/html/leaf/', (page) => page.replace(/(\.whl)#sha256=\w+/, '$1')),
      refused: wheel,
      reason: /the index lists leaf-1\.0\.0\S* without a hash that counts/,
    },
  ],
  [
    'the page of another project',
    'json',
    {
      tamper: editing('/json/leaf/', (page) => page.replace('"name":"leaf"', '"name":"app"')),
      refused: '/json/leaf/',
      reason: /the page of leaf: .*found the page of "app"/,
      // pip tells with -vv, uv only that it was a 403.
      isUntold: true,
    },
  ],
];

describe.each(clients)('$name: a file that is not what the index lists', ({ install }) => {
  it.each(commonFaults({ path: wheel, foreign: () => scene.foreign.wheel.bytes, mismatch }))(
    'wheel, %s: refused and recorded, the client says why (promises 1, 4)',
    async (_name, fault) => {
      const { ran } = await expectRefused(scene, fault, (client) => install(client, `${scene.origin}/html/`, 'leaf'));
      expect(ran.stdout + ran.stderr).toContain('403');
    },
  );

  it.each(indexFaults)('%s (%s index)', async (_name, index, fault) => {
    await expectRefused(scene, fault, (client) => install(client, `${scene.origin}/${index}/`, 'leaf'));
  });

  it.each([
    ['one changed byte', () => flipByte(scene.leaf.sdist.bytes)],
    ['right name and version, other bytes', () => scene.foreign.sdist.bytes],
    ['the archive of another project', () => scene.app.sdist.bytes],
  ])('source archive, %s', async (_name, bytes) => {
    const fault = {
      tamper: changing(sdist, (given) => ({ ...given, body: bytes() })),
      refused: sdist,
      reason: mismatch,
    };
    await expectRefused(scene, fault, (client) =>
      install(client, `${scene.origin}/json/`, '--no-binary', 'leaf', '--no-build-isolation', 'leaf'),
    );
  });

  it('a redirect to another host is refused there', async () => {
    const to = keepForTest(await startHttpsUpstream((_request, response) => void response.end('x'), { ca: scene.ca }));
    await expectRedirectRefused(scene, { path: wheel, to }, (client) =>
      install(client, `${scene.origin}/html/`, 'leaf'),
    );
  });
});

describe('metadata beside a wheel (PEP 658)', () => {
  it('needs other packages than the wheel has: refused, and no client is steered', async () => {
    const { daemon, upstream, origin } = scene;
    upstream.tamper(
      editing(`${wheel}.metadata`, (text) => text.replace('Name: leaf', 'Name: leaf\nRequires-Dist: evil')),
    );
    const session = await daemon.createSession('strict');
    expect((await curl(session, `${origin}/json/leaf/`)).status).toBe(200);
    const got = await curl(session, `${origin}${wheel}.metadata`);
    expect(got.status).toBe(403);
    expect(got.text).toMatch(/expected leaf-1\.0\.0\S* with sha256:\w+~?, found sha256:/);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ url: `${origin}${wheel}.metadata`, inspector: 'pip.metadata' }]);
  });
});
