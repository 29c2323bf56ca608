import { inspectorsConfigSchema } from '@waybill/contracts';
import { signAssertion } from '@waybill/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import {
  assertionType,
  createSnapScenario,
  type SnapScenarioOptions,
  sha3,
  snapId,
  storeUrl,
  strangeKey,
} from '../../test/snap-scenario.js';
import { sampleSnapYaml, squashfsSample } from '../../test/squashfs-captured.js';
import { snapInspectors } from './index.js';

const scenario = createSnapScenario();
const inspectors = () => snapInspectors(scenario.config);
const assertionResponse = (text: string) => ({ body: text, headers: { 'content-type': assertionType } });
const declarationPath = `v2/assertions/snap-declaration/16/${snapId}`;
const revisionPath = `v2/assertions/snap-revision/${sha3(scenario.snap)}`;

/** A download of a snap in a store that differs. */
function download(name: string, options: SnapScenarioOptions, more: Partial<InspectorCase>): InspectorCase {
  return { name, request: scenario.snapUrl, opinion: 'Rejected', ...more, ...differs(options) };
}
function differs(options: SnapScenarioOptions) {
  const made = createSnapScenario(options);
  return {
    response: { body: made.snap },
    session: { companions: made.companions, inspectors: snapInspectors(made.config) },
  };
}

describeInspector({
  id: 'snap',
  inspectors,
  good: {
    name: 'a snap with its assertions',
    request: scenario.snapUrl,
    response: { body: scenario.snap },
    session: { companions: scenario.companions },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.canonical.snap-package',
      name: 'hello',
      version: '2.10',
      description: 'Says hello',
      license: 'GPL-3.0',
      architecture: 'amd64',
      vendor: 'A Publisher',
      'store-revision': '42',
      'content-id': snapId,
      purl: `pkg:generic/snap/hello@2.10?revision=42&snap_id=${snapId}`,
    },
    annotations: {
      'snap-declaration': expect.objectContaining({ 'publisher-id': 'publisher1', 'snap-name': 'hello' }),
      'snap-revision': expect.objectContaining({ 'snap-id': snapId }),
    },
  },
  cases: [
    {
      name: 'from where the store redirects to',
      request: `https://a1.cdn.registry.example/x/${snapId}_42.snap?token=1`,
      response: { body: scenario.snap },
      session: { companions: scenario.companions },
      opinion: 'Approved',
    },
    download(
      'with the root key in the configuration',
      { inlineRoot: true, without: [`v2/assertions/account-key/${scenario.root.id}`] },
      { opinion: 'Approved' },
    ),
    download(
      'the revision of another snap',
      { change: { revision: { 'snap-id': 'other' } } },
      { reason: /snap-revision is of the snap "other"/ },
    ),
    download('another revision', { change: { revision: { 'snap-revision': '41' } } }, { reason: /of revision "41"/ }),
    download('another size', { change: { revision: { 'snap-size': '1' } } }, { reason: /expected "1" bytes/ }),
    download('signed by a key that nobody knows', { signer: strangeKey }, { reason: /the store has no account-key/ }),
    download(
      'a publisher that is not allowed',
      { change: { declaration: { 'publisher-id': 'publisher2' } }, without: [] },
      { reason: /the store has no account publisher2|allowed are/ },
    ),
    download(
      'an allowed list that does not name the publisher',
      { configuration: { 'snap-declaration': [{ name: 'publisher-id', value: ['other'] }] } },
      { reason: /publisher-id "publisher1", allowed are other/ },
    ),
    download(
      'a filter for a header that is missing',
      { configuration: { 'snap-declaration': [{ name: 'store', value: ['x'] }] } },
      { reason: /has no store/ },
    ),
    download(
      'a filter that allows nothing',
      { configuration: { 'snap-declaration': [{ name: 'snap-name', value: [] }] } },
      { reason: /allowed are none/ },
    ),
    download('a revoked declaration', { change: { declaration: { 'snap-name': '' } } }, { reason: /no snap-name/ }),
    download(
      'another name inside than outside',
      { change: { declaration: { 'snap-name': 'hallo' } } },
      { reason: /calls it "hallo", meta\/snap.yaml "hello"/ },
    ),
    download(
      'a key that has expired',
      { change: { key: { until: '2025-12-01T00:00:00Z' } } },
      { reason: /not valid now/ },
    ),
    download(
      'a key that is revoked',
      { change: { key: { until: '2016-04-01T00:00:00Z' } } },
      { reason: /not valid now/ },
    ),
    download(
      'a key that is not valid yet',
      { change: { key: { since: '2026-02-01T00:00:00Z' } } },
      { reason: /not valid now/ },
    ),
    download(
      'made before its key was valid',
      { change: { key: { since: '2025-10-01T00:00:00Z' } } },
      { reason: /was not valid at/ },
    ),
    download(
      'made in the future',
      { change: { revision: { timestamp: '2027-01-01T00:00:00Z' } } },
      { reason: /of the future/ },
    ),
    download(
      'a root key that has expired',
      { change: { root: { until: '2020-01-01T00:00:00Z' } } },
      { reason: /not valid now/ },
    ),
    download(
      'a key of another account',
      { change: { key: { 'account-id': 'somebody' } } },
      { reason: /is signed by "somebody"/ },
    ),
    download(
      'a key with constraints',
      { change: { key: { constraints: '\n  - headers:\n      type: model' } } },
      { reason: /has constraints/ },
    ),
    download(
      'a declaration of another authority',
      { change: { declaration: { 'authority-id': 'somebody' } } },
      { reason: /of "somebody" is signed by "root-authority"/ },
    ),
    download(
      'no root key at all',
      { configuration: { 'root-account-keys': [] } },
      { reason: /no root account key is configured/ },
    ),
    download(
      'another root key',
      { configuration: { 'root-account-keys': [strangeKey.id] } },
      { reason: /signed itself and is no configured root key/ },
    ),
    download('no declaration', { without: [declarationPath] }, { reason: /the store has no snap-declaration/ }),
    download(
      'no snap-revision: other bytes',
      { without: [revisionPath] },
      { reason: /the store has no snap-revision/ },
    ),
    download(
      'a file that is no squashfs, with assertions',
      { snap: Buffer.from('no snap at all'.repeat(20)) },
      { reason: /no squashfs/ },
    ),
    download(
      'a squashfs of a compressor that is not read',
      { snap: squashfsSample('lz4') },
      { reason: /lz4, which is not read/ },
    ),
    ...(['xz', 'lzo', 'zstd'] as const).map((compressor) =>
      download(`compressed with ${compressor}`, { snap: squashfsSample(compressor) }, { opinion: 'Approved' }),
    ),
    { name: 'an upload', request: { url: scenario.snapUrl, method: 'POST' }, claim: 'Rejected' },
    { name: 'a delta', request: scenario.snapUrl.replace('.snap', '_43_xdelta3.delta'), claim: 'unclaimed' },
    {
      name: 'another host',
      request: `https://snaps.example/api/v1/snaps/download/${snapId}_42.snap`,
      claim: 'unclaimed',
    },
    { name: 'another place of the store', request: `${storeUrl}x/${snapId}_42.snap`, claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'snap.assertion',
  inspectors,
  good: {
    name: 'a snap-declaration',
    request: `${storeUrl}${declarationPath}?max-format=6`,
    response: assertionResponse(scenario.assertions[declarationPath] as string),
    session: { companions: scenario.companions },
    opinion: 'Approved',
    metadata: {
      type: 'application/x.ubuntu.assertion.snap-declaration',
      name: `snap-declaration 16/${snapId}`,
      version: '3',
      vendor: 'root-authority',
    },
    annotations: { 'publisher-id': 'publisher1' },
  },
  // The end of the signature's last line says nothing.
  integrity: 'format',
  cases: [
    ...Object.entries(scenario.assertions).map(
      ([path, text]): InspectorCase => ({
        name: path.replace(/[A-Za-z0-9_-]{60,}/, 'id'),
        request: storeUrl + path,
        response: assertionResponse(text),
        session: { companions: scenario.companions },
        opinion: 'Approved',
      }),
    ),
    ...(
      [
        [
          'of another snap',
          (scenario.assertions[declarationPath] as string).replace(snapId, 'other'),
          /found snap-declaration 16\/other instead/,
        ],
        [
          'of another type',
          scenario.assertions['v2/assertions/account/publisher1'] as string,
          /found account publisher1 instead/,
        ],
        [
          'that was changed',
          (scenario.assertions[declarationPath] as string).replace('publisher1', 'publisher2'),
          /is not by/,
        ],
        [
          'with another beside it',
          `${scenario.assertions[declarationPath]}\n${scenario.assertions[declarationPath]}`,
          /expected one assertion, found 2/,
        ],
        ['that is a page', '<html>', /no empty line/],
      ] as const
    ).map(
      ([name, text, reason]): InspectorCase => ({
        name: `a declaration ${name}`,
        request: storeUrl + declarationPath,
        response: assertionResponse(text),
        session: { companions: scenario.companions },
        opinion: 'Rejected',
        reason,
      }),
    ),
    {
      name: 'another media type',
      request: storeUrl + declarationPath,
      response: {
        body: scenario.assertions[declarationPath] as string,
        headers: { 'content-type': 'application/json' },
      },
      opinion: 'Rejected',
      reason: /expected application\/x.ubuntu.assertion/,
    },
    {
      name: 'a key that the store does not have',
      request: storeUrl + declarationPath,
      response: assertionResponse(scenario.assertions[declarationPath] as string),
      session: { companions: {} },
      opinion: 'Rejected',
      reason: /the store has no account-key/,
    },
    { name: 'a deletion', request: { url: storeUrl + declarationPath, method: 'DELETE' }, claim: 'Rejected' },
    { name: 'an unknown type', request: `${storeUrl}v2/assertions/model/16/x/y`, claim: 'unclaimed' },
    { name: 'too few keys', request: `${storeUrl}v2/assertions/snap-declaration/16`, claim: 'unclaimed' },
    { name: 'a type of the prototype', request: `${storeUrl}v2/assertions/constructor/x`, claim: 'unclaimed' },
    {
      name: 'a serial without a request',
      request: { url: `${storeUrl}api/v1/snaps/auth/devices`, method: 'POST' },
      claim: 'Rejected',
    },
    {
      name: 'a serial asked for with something else',
      request: { url: `${storeUrl}api/v1/snaps/auth/devices`, method: 'POST', body: 'my secrets' },
      claim: 'Rejected',
      claimReason: /not a request for a serial/,
    },
    {
      name: 'a serial',
      request: {
        url: `${storeUrl}api/v1/snaps/auth/devices`,
        method: 'POST',
        body: signAssertion(
          { type: 'serial-request', headers: { 'brand-id': 'x', model: 'm' }, body: 'key' },
          strangeKey,
        ),
      },
      response: assertionResponse(
        signAssertion(
          { type: 'serial', headers: { 'authority-id': 'root-authority', 'brand-id': 'x', serial: '1' } },
          scenario.key,
        ),
      ),
      session: { companions: scenario.companions },
      opinion: 'Approved',
      metadata: { type: 'application/x.ubuntu.assertion.serial' },
    },
  ],
});

const info = {
  'channel-map': [{ version: '2.10' }],
  name: 'hello',
  'snap-id': snapId,
  snap: { license: 'MIT', summary: 'Says hello' },
};
const json = (value: unknown) => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });
const wrong = (
  request: InspectorCase['request'],
  ...values: readonly (readonly [string, unknown])[]
): InspectorCase[] => values.map(([name, value]) => ({ name, request, response: json(value), opinion: 'Rejected' }));

describeInspector({
  id: 'snap.info',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a snap',
    request: `${storeUrl}v2/snaps/info/hello?architecture=amd64&fields=version`,
    response: json(info),
    opinion: 'Approved',
    metadata: {
      type: 'application/x.canonical.snap-info',
      name: 'hello',
      version: '2.10',
      license: 'MIT',
      'content-id': snapId,
    },
  },
  cases: wrong(
    `${storeUrl}v2/snaps/info/hello`,
    ['another snap', { ...info, name: 'other' }],
    ['no channels', { ...info, 'channel-map': [] }],
    ['channels of the wrong kind', { ...info, 'channel-map': { 0: {} } }],
    ['no id', { ...info, 'snap-id': undefined }],
    ['a list', [info]],
  ),
});

const refreshRequest = (more: object = {}) => ({
  url: `${storeUrl}v2/snaps/refresh`,
  method: 'POST',
  body: JSON.stringify({
    context: [],
    actions: [{ action: 'install', 'instance-key': 'install-1', name: 'hello', channel: 'latest/stable', ...more }],
    fields: ['revision'],
  }),
});
const refreshResult = (more: object = {}) => ({
  results: [
    {
      'instance-key': 'install-1',
      result: 'install',
      name: 'hello',
      'snap-id': snapId,
      'effective-channel': 'stable',
      snap: { revision: 42 },
      ...more,
    },
  ],
});

describeInspector({
  id: 'snap.refresh',
  inspectors,
  integrity: 'format',
  good: {
    name: 'one to install',
    request: refreshRequest(),
    response: json(refreshResult()),
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.snap-refresh', 'content-id': 'stable:42' },
    annotations: { 'refresh-results': [{ name: 'hello', 'snap-id': snapId, revision: '42', channel: 'stable' }] },
  },
  cases: [
    { name: 'nothing new', request: refreshRequest(), response: json({ results: [] }), opinion: 'Approved' },
    {
      name: 'an error',
      request: refreshRequest(),
      response: json({ results: [{ 'instance-key': 'install-1', result: 'error' }] }),
      opinion: 'Approved',
    },
    ...wrong(
      refreshRequest({ 'snap-id': snapId }),
      ['another key', refreshResult({ 'instance-key': 'x' })],
      ['another kind', refreshResult({ result: 'refresh' })],
      ['another snap', refreshResult({ 'snap-id': 'other' })],
      ['no name', refreshResult({ name: '' })],
      ['no results', {}],
      ['results of the wrong kind', { results: {} }],
    ),
    { name: 'fetched', request: `${storeUrl}v2/snaps/refresh`, claim: 'Rejected' },
    { name: 'a strange body', request: { ...refreshRequest(), body: 'secrets' }, claim: 'Rejected' },
    {
      name: 'a strange field',
      request: { ...refreshRequest(), body: '{"actions":[],"secrets":1}' },
      claim: 'Rejected',
    },
    { name: 'a strange action', request: refreshRequest({ action: 'upload' }), claim: 'Rejected' },
  ],
});

const answers: readonly (readonly [string, InspectorCase['request'], object, readonly object[]])[] = [
  [
    'snap.sections',
    `${storeUrl}api/v1/snaps/sections`,
    { _embedded: { 'clickindex:sections': [{ name: 'x' }] } },
    [{}, { _embedded: { 'clickindex:sections': [] } }],
  ],
  [
    'snap.names',
    `${storeUrl}api/v1/snaps/names?confinement=strict`,
    { _embedded: { 'clickindex:package': [{}] } },
    [{}, { _embedded: 1 }],
  ],
  [
    'snap.auth-nonce',
    { url: `${storeUrl}api/v1/snaps/auth/nonces`, method: 'POST' },
    { nonce: 'n' },
    [{ nonce: '' }, { nonce: 'n', more: 1 }, { macaroon: 'n' }],
  ],
  [
    'snap.auth-request-id',
    { url: `${storeUrl}api/v1/snaps/auth/request-id`, method: 'POST', body: '{}' },
    { 'request-id': 'n' },
    [{}, { 'request-id': [] }],
  ],
  [
    'snap.auth-sessions',
    {
      url: `${storeUrl}api/v1/snaps/auth/sessions`,
      method: 'POST',
      body: '{"serial-assertion":"a","model-assertion":"b","device-session-request":"c"}',
    },
    { macaroon: 'm' },
    [{}, { macaroon: 'm', token: 1 }],
  ],
];
for (const [id, request, good, bad] of answers) {
  describeInspector({
    id,
    inspectors,
    integrity: 'format',
    good: { name: 'of the store', request, response: json(good), opinion: 'Approved' },
    cases: [
      ...wrong(request, ...bad.map((value, index) => [`the wrong shape ${index}`, value] as const)),
      {
        name: 'another method',
        request: { url: typeof request === 'string' ? request : request.url, method: 'PUT' },
        claim: 'Rejected',
      },
      ...(typeof request === 'string'
        ? []
        : [
            {
              name: 'something else sent along',
              request: { ...request, body: '{"secrets":"x"}' },
              claim: 'Rejected',
            } as const,
          ]),
    ],
  });
}

describe('a session with a store', () => {
  it('asks for each assertion once, and for none that the client fetched', async () => {
    const session = createFakeSession({ inspectors: inspectors(), companions: scenario.companions });
    expect((await session.download(scenario.snapUrl, { body: scenario.snap })).result).toBe('Approved');
    expect(session.companionsAsked.length).toBe(5);
    for (const [path, text] of Object.entries(scenario.assertions)) {
      const { result, artifact } = await session.download(storeUrl + path, assertionResponse(text));
      expect(result, artifact.get('snap.assertion')?.reason).toBe('Approved');
    }
    const asked = session.companionsAsked.length;
    expect((await session.download(scenario.snapUrl, { body: scenario.snap })).result).toBe('Approved');
    expect(session.companionsAsked.length).toBe(asked);
    await session.close();
  });

  it('another session with the same inspectors believes nothing of it', async () => {
    const shared = inspectors();
    const first = createFakeSession({ inspectors: shared, companions: scenario.companions });
    expect((await first.download(scenario.snapUrl, { body: scenario.snap })).result).toBe('Approved');
    const revoked = createSnapScenario({ change: { key: { until: '2016-04-01T00:00:00Z' } } });
    const second = createFakeSession({ inspectors: shared, companions: revoked.companions });
    expect((await second.download(scenario.snapUrl, { body: scenario.snap })).result).toBe('Rejected');
  });

  it('names the channels that the refresh was told', async () => {
    const session = createFakeSession({ inspectors: inspectors(), companions: scenario.companions });
    await session.download(refreshRequest(), json(refreshResult()));
    const { artifact } = await session.download(scenario.snapUrl, { body: scenario.snap });
    expect(artifact.get('snap')?.metadata).toMatchObject({
      'requested-channel': 'latest/stable',
      'effective-channel': 'stable',
    });
    await session.close();
  });

  it('says by whom an assertion is signed, up to the root key', async () => {
    const session = createFakeSession({ inspectors: inspectors(), companions: scenario.companions });
    const links = async (path: string) =>
      (await session.download(storeUrl + path, assertionResponse(scenario.assertions[path] as string))).artifact.get(
        'snap.assertion',
      )?.vouchedBy;
    expect(await links(declarationPath)).toMatchObject([{ kind: 'artifact', name: `account-key ${scenario.key.id}` }]);
    expect(await links(`v2/assertions/account-key/${scenario.key.id}`)).toMatchObject([
      {
        kind: 'key',
        name: `root account key ${scenario.root.id}`,
        id: Buffer.from(scenario.root.id, 'base64url').toString('hex').toUpperCase(),
      },
    ]);
    await session.close();
  });

  it.each([
    ['no section', {}],
    [
      'the keys of the earlier service alone',
      { snap: { 'snap-declaration': [{ name: 'publisher-id', value: ['canonical'] }] } },
    ],
  ])('claims nothing with %s', (_name, config) => {
    for (const inspector of snapInspectors(inspectorsConfigSchema.parse(config))) {
      const session = createFakeSession({ inspectors: [inspector] });
      for (const url of [scenario.snapUrl, storeUrl + declarationPath, `${storeUrl}v2/snaps/info/hello`])
        expect(session.request(url).size).toBe(0);
    }
  });

  it('never breaks on any JSON', () =>
    fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        const session = createFakeSession({ inspectors: inspectors() });
        const { artifact } = await session.download(refreshRequest(), { body: text });
        expect(artifact.get('snap.refresh')?.reason).toMatch(/\S/);
        const info = await session.download(`${storeUrl}v2/snaps/info/hello`, { body: text });
        expect(info.artifact.get('snap.info')?.opinion).toMatch(/Rejected|Approved/);
      }),
      { numRuns: 200 },
    ));

  it('the sample is what the tests think', () => expect(sampleSnapYaml).toContain('name: hello'));
});
