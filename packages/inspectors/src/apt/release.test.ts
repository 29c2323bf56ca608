import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  aptConfig,
  base,
  clearsign,
  daysFromNow,
  detachSign,
  dists,
  hex,
  releaseText,
  testKey,
} from '../../test/apt-fixtures.js';
import { createScenario, packagesUrl, type Scenario, scenarioKey } from '../../test/apt-scenario.js';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSessionOptions } from '../../test/fake-session.js';
import { aptInspectors, aptKeyProblems } from './index.js';

const url = `${dists}/InRelease`;
const packages = 'main/binary-amd64/Packages.gz';
let scenario: Scenario;
beforeAll(async () => {
  scenario = await createScenario();
});

const signed = async (fields: Record<string, string | undefined>, files = {}) => ({
  body: await clearsign(releaseText({ fields, files }), await scenarioKey()),
});
const utc = (date: Date) => date.toUTCString().replace('GMT', 'UTC');

describeInspector({
  id: 'apt.release',
  inspectors: () => scenario.inspectors,
  good: {
    name: 'approves a signed InRelease',
    request: url,
    // The line end after the signature proves nothing and may be missing.
    response: () => ({ body: scenario.inRelease.trimEnd() }),
    opinion: 'Approved',
    reason: /signed by Test Archive/,
    metadata: {
      type: 'application/x.apt.release',
      name: 'InRelease',
      version: 'bookworm',
      vendor: 'Test',
      author: 'Test',
      description: 'Test Archive 12.1',
      'apt-suite': 'stable',
    },
    annotations: { origin: 'Test', suite: 'stable', components: 'main extra', 'signature-file': 'clearsigned' },
  },
  cases: [
    {
      name: 'takes an index that is asked for by its codename',
      request: `${base}/dists/bookworm/InRelease`,
      response: () => ({ body: scenario.inRelease }),
      opinion: 'Approved',
    },
    {
      name: 'refuses a suite that is not configured',
      request: `${base}/dists/stable/updates/InRelease`,
      claim: 'Unknown',
      claimReason: /suite is not among/,
    },
    {
      name: 'takes a gzip Content-Encoding',
      request: url,
      response: () => ({ body: gzipSync(scenario.inRelease), contentEncoding: 'gzip' }),
      opinion: 'Approved',
    },
    {
      name: 'refuses the release of another suite',
      request: `${base}/dists/testing/InRelease`,
      response: () => ({ body: scenario.inRelease }),
      opinion: 'Rejected',
      reason: /is of suite stable \(codename bookworm\), asked for was testing/,
    },
    {
      name: 'refuses an expired Valid-Until',
      request: url,
      response: () => signed({ 'Valid-Until': utc(daysFromNow(-0.1)) }),
      opinion: 'Rejected',
      reason: /expired at 2026-01-15T09:36:00.000Z: .*allow-expired for apt\.repositories\.default/,
    },
    {
      name: 'takes a Valid-Until to come',
      request: url,
      response: () => signed({ 'Valid-Until': utc(daysFromNow(0.1)) }),
      opinion: 'Approved',
    },
    {
      name: 'refuses a Date in the future',
      request: url,
      response: () => signed({ Date: utc(daysFromNow(0.1)) }),
      opinion: 'Rejected',
      reason: /in the future.*clock/,
    },
    {
      name: 'takes a Date within clock skew',
      request: url,
      response: () => signed({ Date: utc(daysFromNow(0.002)) }),
      opinion: 'Approved',
    },
    {
      name: 'refuses missing fields',
      request: url,
      response: () => signed({ Codename: undefined }),
      opinion: 'Rejected',
      reason: /InRelease lacks the field codename/,
      annotations: { 'file format errors': 'lacks the field codename' },
    },
    {
      name: 'refuses a changed letter',
      request: url,
      response: () => ({ body: scenario.inRelease.replace('Test Archive', 'Best Archive') }),
      opinion: 'Rejected',
      reason: /no valid signature.*did not match.*check public-key of apt\.repositories\.default/,
    },
    {
      name: 'refuses another key',
      request: url,
      response: async () => ({ body: await clearsign(releaseText(), await testKey({ name: 'Evil' })) }),
      opinion: 'Rejected',
      reason: /none of them a configured key/,
    },
    {
      name: 'refuses an unsigned Release at its place',
      request: url,
      response: () => ({ body: releaseText() }),
      opinion: 'Rejected',
      reason: /clearsign header/,
    },
    {
      name: 'refuses a sign-in page',
      request: url,
      response: { body: '<html>Sign in</html>' },
      opinion: 'Rejected',
      reason: /clearsign header/,
    },
    {
      name: 'refuses 5 MiB',
      request: url,
      response: () => ({ body: Buffer.alloc(5 << 20, 'a') }),
      opinion: 'Rejected',
      reason: /more than 4194304 bytes/,
    },
    {
      name: 'knows an index that a trusted release lists',
      request: packagesUrl,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: scenario.files[packages] ?? '' }),
      opinion: 'Unknown',
      reason: /listed in a trusted release as main\/binary-amd64\/Packages\.gz/,
      annotations: { 'file-path': packages, vendor: 'Test' },
    },
    {
      name: 'refuses an index before its release',
      request: packagesUrl,
      response: () => ({ body: scenario.files[packages] ?? '' }),
      opinion: 'Rejected',
      reason: /no trusted InRelease or Release of suite stable.*run apt-get update/,
    },
    {
      name: 'refuses pdiff',
      request: `${dists}/main/binary-amd64/Packages.diff/Index`,
      claim: 'Unknown',
      claimReason: /apt falls back to the whole index/,
    },
    {
      name: 'claims nothing elsewhere',
      request: 'http://other.example/debian/dists/stable/InRelease',
      claim: 'unclaimed',
    },
  ],
});

describe('apt.release', () => {
  it('says what it learned of the request', () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    expect(session.request(url).get('apt.release')).toMatchObject({
      opinion: 'Pending',
      annotations: { 'cfg-name': 'default', origin: base, repository: base, suite: 'stable' },
    });
    expect(session.request(packagesUrl).get('apt.release')?.annotations).toMatchObject({
      component: 'main',
      architecture: 'amd64',
    });
  });

  it('links to the key, and offers the release under origin and suite', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    const found = (await session.download(url, { body: scenario.inRelease })).artifact.get('apt.release');
    const fingerprint = scenario.key.secret.getFingerprint().toUpperCase();
    expect(found?.vouchedBy).toEqual([
      { kind: 'key', id: fingerprint, name: 'Test Archive <archive@deb.registry.example>' },
    ]);
    expect(found?.provides).toEqual(
      [`apt.release:${base}:stable`, `apt.release:${base}`].map((scope) => ({
        scope,
        kind: 'apt.release',
        attributes: { repository: 'default', suite: 'stable' },
      })),
    );
    expect(found?.annotations).toMatchObject({ 'public-keys': [fingerprint] });
  });

  it.each(['main/dep11/Components-amd64.yml.gz', 'main/Contents-amd64.gz', 'Contents-amd64.gz'])(
    'approves %s by its digest in the release',
    async (path) => {
      const body = `content of ${path}`;
      const made = await createScenario({ release: { files: { [path]: body } } });
      const directory = `${dists}/${path.replace(/[^/]+$/, '')}`;
      for (const target of [`${dists}/${path}`, `${directory}by-hash/SHA256/${hex('sha256', body)}`]) {
        const session = createFakeSession({ inspectors: made.inspectors });
        expect((await session.download(target, { body })).result).toBe('Rejected');
        await made.trustRelease(session);
        const { artifact, result, vouched } = await session.download(target, { body });
        expect(result).toBe('Approved');
        expect(vouched).toHaveLength(1);
        expect(artifact.get('apt.release')).toMatchObject({
          metadata: {
            type: 'application/x.apt.index',
            name: path.replace(/^.*\//, '').replace(/\.[gx]z$/, ''),
            vendor: 'Test',
          },
          annotations: { 'file-path': path },
          vouchedBy: [{ kind: 'artifact', inspector: 'apt.release' }],
        });
        expect((await session.download(target, { body: `${body}!` })).result).toBe('Rejected');
      }
    },
  );

  it('keeps both releases of a suite when the mirror moves on within a session', async () => {
    const newer = await createScenario({
      packages: (scenario.files['main/binary-amd64/Packages'] ?? '').toString().replace('many', 'few'),
      release: { fields: { Date: utc(daysFromNow(-0.5)) } } as never,
    });
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustRelease(session);
    await scenario.trustRelease(session, newer.inRelease);
    for (const files of [scenario.files, newer.files]) {
      const body = files[packages] ?? '';
      const target = `${dists}/main/binary-amd64/by-hash/SHA256/${hex('sha256', body)}`;
      expect((await session.download(target, { body })).result).toBe('Approved');
    }
    const stale = await session.download(packagesUrl, { body: 'Package: x\n' });
    expect(stale.artifact.get('apt.release')?.reason).toContain(daysFromNow(-0.5).toISOString());
  });

  it('vouches for the digests of indexes before they are fetched', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustRelease(session);
    const body = scenario.files[packages] ?? Buffer.alloc(0);
    const { vouched } = await session.download(packagesUrl, { body });
    expect(vouched).toEqual([
      {
        digests: [{ algorithm: 'sha256', hex: hex('sha256', body) }],
        size: body.length,
        vouchedBy: expect.objectContaining({
          kind: 'artifact',
          inspector: 'apt.release',
          sha256: hex('sha256', scenario.inRelease),
        }),
      },
    ]);
  });

  it('takes the release of `stable` for `stable/updates`, as apt does', async () => {
    const session = createFakeSession({ inspectors: aptInspectors(aptConfig(scenario.key, { suites: ['**'] })) });
    const below = await session.download(`${base}/dists/stable/updates/InRelease`, { body: scenario.inRelease });
    expect(below.result).toBe('Approved');
    const beside = await session.download(`${base}/dists/updates/stable/InRelease`, { body: scenario.inRelease });
    expect(beside.result).toBe('Rejected');
  });

  it('takes an expired index when the configuration allows it', async () => {
    const inspectors = aptInspectors(aptConfig(scenario.key, { 'allow-expired': true }));
    const session = createFakeSession({ inspectors });
    const { result } = await session.download(url, await signed({ 'Valid-Until': utc(daysFromNow(-100)) }));
    expect(result).toBe('Approved');
  });

  it('shares releases of mirrors with one alias', async () => {
    const mirror = 'http://mirror.example/pub/debian';
    const inspectors = aptInspectors(
      aptConfig(scenario.key, { urls: [base, mirror], 'base-url-alias': 'http://alias.example/debian' }),
    );
    const session = createFakeSession({ inspectors });
    await scenario.trustRelease(session);
    const there = packagesUrl.replace(base, mirror);
    expect((await session.download(there, { body: scenario.files[packages] ?? '' })).result).toBe('Approved');
    const apart = createFakeSession({ inspectors: aptInspectors(aptConfig(scenario.key, { urls: [base, mirror] })) });
    await scenario.trustRelease(apart);
    expect((await apart.download(there, { body: scenario.files[packages] ?? '' })).result).toBe('Rejected');
  });

  it('tries every configured repository that fits the URL', async () => {
    const config = aptConfig(await testKey({ name: 'First' }));
    const second = aptConfig(scenario.key).apt?.repositories.default;
    const both = { ...config, apt: { repositories: { ...config.apt?.repositories, second } } };
    const session = createFakeSession({ inspectors: aptInspectors(both as typeof config) });
    expect((await session.download(url, { body: scenario.inRelease })).result).toBe('Approved');
  });

  it('has no repositories without the section', () => {
    const session = createFakeSession({ inspectors: aptInspectors({}) });
    expect(session.request(url).size).toBe(0);
  });

  it('finds keys that cannot be read before a build does', async () => {
    expect(await aptKeyProblems(aptConfig(scenario.key))).toEqual([]);
    const broken = aptConfig('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n');
    expect(await aptKeyProblems(broken)).toEqual([expect.stringMatching(/^apt\.repositories\.default: block 1/)]);
  });
});

describe('apt.release: Release and Release.gpg', () => {
  const release = `${dists}/Release`;
  const signature = `${dists}/Release.gpg`;
  const text = releaseText({ files: { 'main/binary-amd64/Packages.gz': 'x' } });
  const session = (companions: FakeSessionOptions['companions']) =>
    createFakeSession({ inspectors: scenario.inspectors, ...(companions && { companions }) });
  const ask = async (companions: FakeSessionOptions['companions'], target: string, body: string) => {
    const opened = session(companions);
    const { artifact } = await opened.download(target, { body });
    return { opened, found: artifact.get('apt.release') };
  };

  it('approves a Release with the Release.gpg beside it', async () => {
    const detached = await detachSign(text, scenario.key);
    const { opened, found } = await ask({ [signature]: detached }, release, text);
    expect(found).toMatchObject({
      opinion: 'Approved',
      metadata: { name: 'Release' },
      annotations: { 'signature-file': hex('sha256', detached) },
    });
    expect(opened.companionsAsked).toEqual([signature]);
    const index = await opened.download(packagesUrl, { body: 'x' });
    expect(index.artifact.get('apt.release')).toMatchObject({ opinion: 'Unknown' });
    const gpg = await opened.download(signature, { body: detached });
    expect(gpg.artifact.get('apt.release')).toMatchObject({
      opinion: 'Approved',
      metadata: { type: 'application/pgp-signature', name: 'Release.gpg' },
      annotations: { 'release-file': hex('sha256', text) },
    });
    expect(opened.companionsAsked).toEqual([signature]);
    expect((await opened.download(signature, { body: await detachSign('other', scenario.key) })).result).toBe(
      'Rejected',
    );
  });

  it('approves a Release.gpg that comes first', async () => {
    const { opened, found } = await ask({ [release]: text }, signature, await detachSign(text, scenario.key));
    expect(found?.opinion).toBe('Approved');
    expect(opened.companionsAsked).toEqual([release]);
  });

  it.each<[string, () => Promise<Record<string, string>>, () => string, RegExp]>([
    ['without Release.gpg', async () => ({}), () => text, /no Release\.gpg beside it/],
    [
      'with the signature of another text',
      async () => ({ [signature]: await detachSign(`${text} `, scenario.key) }),
      () => text,
      /no valid signature/,
    ],
    [
      'with a signature by another key',
      async () => ({ [signature]: await detachSign(text, await testKey()) }),
      () => text,
      /none of them a configured key/,
    ],
    [
      'with a signature that is none',
      async () => ({ [signature]: 'hello' }),
      () => text,
      /OpenPGP signature|no signature that can be read/,
    ],
    [
      'that is an InRelease',
      async () => ({ [signature]: await detachSign(scenario.inRelease, scenario.key) }),
      () => scenario.inRelease,
      /no field|paragraphs/,
    ],
    [
      'that has expired',
      async () => ({
        [signature]: await detachSign(releaseText({ fields: { 'Valid-Until': utc(daysFromNow(-1)) } }), scenario.key),
      }),
      () => releaseText({ fields: { 'Valid-Until': utc(daysFromNow(-1)) } }),
      /expired/,
    ],
  ])('refuses a Release %s', async (_name, companions, body, reason) => {
    const { found } = await ask(await companions(), release, body());
    expect(found).toMatchObject({ opinion: 'Rejected' });
    expect(found?.reason).toMatch(reason);
  });

  it.each<[string, () => Promise<Record<string, string>>, () => Promise<string>, RegExp]>([
    ['without Release', async () => ({}), () => detachSign(text, scenario.key), /no Release file beside it/],
    [
      'of another Release',
      async () => ({ [release]: `${text} ` }),
      () => detachSign(text, scenario.key),
      /no valid signature of its Release/,
    ],
    ['that is text', async () => ({ [release]: text }), async () => 'hello', /Release\.gpg/],
    [
      'of an expired Release',
      async () => ({ [release]: releaseText({ fields: { 'Valid-Until': utc(daysFromNow(-1)) } }) }),
      () => detachSign(releaseText({ fields: { 'Valid-Until': utc(daysFromNow(-1)) } }), scenario.key),
      /expired/,
    ],
    [
      'of another suite',
      async () => ({ [release]: releaseText({ fields: { Suite: 'a', Codename: 'b' } }) }),
      () => detachSign(releaseText({ fields: { Suite: 'a', Codename: 'b' } }), scenario.key),
      /is of suite a/,
    ],
  ])('refuses a Release.gpg %s', async (_name, companions, body, reason) => {
    const { found } = await ask(await companions(), signature, await body());
    expect(found).toMatchObject({ opinion: 'Rejected' });
    expect(found?.reason).toMatch(reason);
  });
});
