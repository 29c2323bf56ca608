import { assertionType } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, pathOf, sha256, verdictOf } from './harness/report.js';
import type { Session } from './harness/session.js';
import { openSnapScene, revisionPath, type SnapScene, type StoreFault, snapId } from './harness/snap-scene.js';

const keep = keepForFile();
let scene: SnapScene;
beforeAll(async () => {
  scene = await openSnapScene(keep);
});
beforeEach(() => scene.fail({}));

const post = (body: unknown) => [
  '--request',
  'POST',
  '--header',
  'content-type: application/json',
  '--data',
  JSON.stringify(body),
];
/** What snapd sends along with everything. */
const asDevice = [
  ['User-Agent', 'snapd/2.70 (series 16; classic)'],
  ['Snap-Device-Architecture', 'amd64'],
  ['Snap-Device-Series', '16'],
  ['Snap-CDN', 'none'],
  ['X-Device-Authorization', `Macaroon root="${'m'.repeat(2000)}"`],
].flatMap(([name, value]) => ['--header', `${name}: ${value}`]);

/** The requests of an installation, in snapd's order. */
async function install(session: Session) {
  const refresh = await curl(session, `${scene.store.url}/v2/snaps/refresh`, [
    ...asDevice,
    ...post({
      context: [],
      actions: [{ action: 'install', 'instance-key': 'install-1', name: 'hello', channel: 'stable' }],
      fields: ['revision', 'download'],
    }),
  ]);
  const snap = await curl(session, scene.snapUrl, asDevice);
  const paths = [
    revisionPath(scene.snap),
    `v2/assertions/snap-declaration/16/${snapId}?max-format=6`,
    'v2/assertions/account/publisher1',
  ];
  const assertions = [];
  for (const path of paths) {
    assertions.push(
      await curl(session, `${scene.store.url}/${path}`, [...asDevice, '--header', `Accept: ${assertionType}`]),
    );
  }
  return { refresh, snap, assertions };
}

describe('a snap in a strict session', () => {
  it('is installed as snapd does it, proven up to the root account key (promises 1, 2)', async () => {
    const session = await scene.openSession('strict');
    const nonce = await curl(session, `${scene.store.url}/api/v1/snaps/auth/nonces`, [
      '--request',
      'POST',
      '--data',
      '',
    ]);
    expect([nonce.status, nonce.text]).toEqual([200, '{"nonce":"n-123"}']);
    expect((await curl(session, `${scene.store.url}/v2/snaps/info/hello?fields=version`, asDevice)).status).toBe(200);
    const { refresh, snap, assertions } = await install(session);
    expect([refresh.status, snap.status, ...assertions.map(({ status }) => status)], snap.text.slice(0, 500)).toEqual([
      200, 200, 200, 200, 200,
    ]);
    expect(sha256(snap.body)).toBe(sha256(scene.snap));

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const artifact = artifactAt(report, `${snapId}_42.snap`);
    expect(artifact).toMatchObject({
      result: 'Approved',
      metadata: {
        type: 'application/x.canonical.snap-package',
        name: 'hello',
        version: '2.10',
        license: 'MIT',
        vendor: 'A Publisher',
        'store-revision': '42',
        'content-id': snapId,
        'requested-channel': 'stable',
        'effective-channel': 'latest/stable',
      },
    });
    for (const chain of chainsOf(artifact)) {
      expect(chain).toMatch(
        /^snap\.assertion:(snap-revision|snap-declaration|account) .* ← snap\.assertion:account-key .* ← key:root account key/,
      );
    }
    expect(chainsOf(artifact)).toHaveLength(3);
    // What the service fetched for itself stands in the report with a verdict of its own.
    const fetched = report.artifacts.filter(({ downloads }) =>
      downloads.some(({ delivery }) => delivery === 'companion'),
    );
    expect(fetched.map(({ result, metadata }) => `${result} ${metadata.type}`).sort()).toEqual([
      `Approved ${assertionType}.account`,
      `Approved ${assertionType}.account-key`,
      `Approved ${assertionType}.account-key`,
      `Approved ${assertionType}.snap-declaration`,
      `Approved ${assertionType}.snap-revision`,
    ]);
  });

  it('comes from where the store redirects to', async () => {
    const session = await scene.openSession('strict');
    const url = scene.snapUrl.replace('_42', '_43');
    const snap = await curl(session, url, ['--location']);
    expect([snap.status, sha256(snap.body)], snap.text.slice(0, 500)).toEqual([200, sha256(scene.snap)]);
    const report = await session.finish();
    expect(report.artifacts.some(({ downloads }) => downloads.some(({ url }) => url.startsWith(scene.cdn.url)))).toBe(
      true,
    );
  });
});

describe('what a snap store must not get in', () => {
  const flipped = (bytes: Buffer) =>
    Buffer.from(bytes).fill((bytes[2000 % bytes.length] ?? 0) ^ 1, 2000 % bytes.length, (2000 % bytes.length) + 1);
  const cases: readonly (readonly [string, () => StoreFault, Record<string, unknown>, RegExp])[] = [
    ['other bytes', () => ({ snap: scene.other }), {}, /the store has no snap-revision/],
    ['one flipped byte', () => ({ snap: flipped(scene.snap) }), {}, /the store has no snap-revision/],
    [
      'the assertions of another snap',
      () => ({ snap: scene.other, signed: scene.other, change: { revision: { 'snap-id': 'anotherSnap' } } }),
      {},
      /its snap-revision is of the snap "anotherSnap"/,
    ],
    [
      'the revision of another file',
      () => ({ snap: scene.other, anyRevision: true }),
      {},
      /asked for snap-revision .*, found another one/,
    ],
    [
      'a wrong sha3 in the assertion',
      () => ({
        tamper: (path, text) =>
          path.includes('snap-revision') ? text.replace(/snap-sha3-384: ./, 'snap-sha3-384: -') : text,
      }),
      {},
      /found another one|is not by/,
    ],
    [
      'a revoked key',
      () => ({ change: { key: { until: '2016-04-01T00:00:00Z' } } }),
      {},
      /not valid now: it has expired, was revoked/,
    ],
    ['an expired key', () => ({ change: { key: { until: '2025-12-31T00:00:00Z' } } }), {}, /not valid now/],
    ['a signature of a stranger', () => ({ signer: scene.stranger }), {}, /the store has no account-key/],
    [
      'a changed assertion',
      () => ({
        tamper: (path, text) => (path.includes('snap-declaration') ? text.replace('publisher1', 'publisher2') : text),
      }),
      {},
      /signature of the snap-declaration is not by/,
    ],
    [
      'a publisher that is not allowed',
      () => ({}),
      { 'snap-declaration': [{ name: 'publisher-id', value: ['somebody'] }] },
      /publisher-id "publisher1", allowed are somebody/,
    ],
    [
      'another root key',
      () => ({}),
      { 'root-account-keys': ['A'.repeat(64)] },
      /signed itself and is no configured root key/,
    ],
    ['a snap that was revoked', () => ({ change: { declaration: { 'snap-name': '' } } }), {}, /has no snap-name/],
  ];

  it.each(cases)(
    '%s: refused and recorded, and permissive records the same (promises 1, 4)',
    async (_name, fault, section, reason) => {
      scene.fail(fault());
      const verdicts = [];
      for (const policy of ['strict', 'permissive'] as const) {
        const session = await scene.openSession(policy, section);
        const got = await curl(session, scene.snapUrl, asDevice);
        expect(got.status).toBe(policy === 'strict' ? 403 : 200);
        if (policy === 'strict') {
          expect(got.body.includes('hsqs')).toBe(false);
          expect(got.text).toMatch(/snap/);
        }
        const report = await session.finish();
        const refused = report.refusals.filter(({ url }) => pathOf(url).endsWith('.snap'));
        expect(refused).toMatchObject([{ phase: 'artifact', inspector: 'snap', delivered: policy === 'permissive' }]);
        expect(refused[0]?.reason).toMatch(reason);
        verdicts.push(...refused.map(verdictOf));
      }
      expect(verdicts[1]).toEqual(verdicts[0]);
    },
  );

  it('nothing leaves with a device request but what devices send', async () => {
    const session = await scene.openSession('strict');
    const before = scene.store.requests.length;
    for (const [path, body] of [
      ['api/v1/snaps/auth/nonces', 'the secrets of the build'],
      ['v2/snaps/refresh', '{"actions":[],"secrets":"of the build"}'],
      ['api/v1/snaps/auth/devices', 'the secrets of the build'],
    ] as const) {
      expect((await curl(session, `${scene.store.url}/${path}`, ['--request', 'POST', '--data', body])).status).toBe(
        403,
      );
    }
    expect(scene.store.requests.length).toBe(before);
    expect((await session.finish()).refusals).toHaveLength(3);
  });
});
