import { beforeAll, describe, expect, it } from 'vitest';
import {
  aptConfig,
  base,
  buildAr,
  buildDeb,
  dists,
  helloControl,
  hex,
  packageParagraph,
} from '../../test/apt-fixtures.js';
import { createScenario, debPath, debUrl, type Scenario, type ScenarioOptions } from '../../test/apt-scenario.js';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { fakeArtifact, fakeRequest } from '../../test/fakes.js';
import { aptInspectors } from './index.js';

let scenario: Scenario;
beforeAll(async () => {
  scenario = await createScenario();
});

/** What `deb` says of a package that a trusted index lists, whatever it holds. */
async function listed(deb: Buffer, options: ScenarioOptions = {}, url = debUrl) {
  const made = await createScenario({ deb, ...options });
  const session = createFakeSession({ inspectors: made.inspectors });
  await made.trustPackages(session);
  const { artifact, result } = await session.download(url, { body: deb });
  return { found: artifact.get('deb'), result };
}

describeInspector({
  id: 'deb',
  inspectors: () => scenario.inspectors,
  good: {
    name: 'approves a package that a trusted index lists',
    request: debUrl,
    before: (session) => scenario.trustPackages(session),
    response: () => ({ body: scenario.deb }),
    opinion: 'Approved',
    reason: /hello 1\.0-1 as listed in a trusted Packages index/,
    metadata: {
      type: 'application/vnd.debian.binary-package',
      name: 'hello',
      version: '1.0-1',
      architecture: 'amd64',
      vendor: 'A Maintainer <a@deb.registry.example>',
      description: 'Says hello',
      author: 'An Author',
      'author-email': 'author@hello.example',
      license: 'GPL-2.0-or-later AND MIT',
      copyright: '2020 An Author\n2021 Somebody',
      'source-package': 'hello-source',
      'apt-suite': 'stable',
      purl: 'pkg:deb/test/hello@1.0-1?arch=amd64&distro=bookworm',
    },
    annotations: { 'copyright-form': 'machine-readable' },
  },
  cases: [
    {
      name: 'refuses it before any index',
      request: debUrl,
      response: () => ({ body: scenario.deb }),
      opinion: 'Rejected',
      reason:
        /no Packages index of http:\/\/deb\.registry\.example\/debian is trusted in this session.*run apt-get update in the same session/,
      metadata: { name: 'hello', version: '1.0-1' },
    },
    {
      name: 'refuses it with its release only',
      request: debUrl,
      before: (session) => scenario.trustRelease(session),
      response: () => ({ body: scenario.deb }),
      opinion: 'Rejected',
      reason: /no Packages index/,
    },
    {
      name: 'refuses a path that is not listed',
      request: `${base}/pool/main/h/hello/hello_2.0-1_amd64.deb`,
      before: (session) => scenario.trustPackages(session),
      response: () => ({ body: scenario.deb }),
      opinion: 'Rejected',
      reason: /none of the 1 trusted Packages indexes lists pool\/main\/h\/hello\/hello_2\.0-1_amd64\.deb/,
    },
    {
      name: 'refuses the right bytes at another place',
      request: `${base}/other/hello_1.0-1_amd64.deb`,
      before: (session) => scenario.trustPackages(session),
      response: () => ({ body: scenario.deb }),
      opinion: 'Rejected',
      reason: /none of the/,
    },
    {
      name: 'refuses other bytes, with both digests',
      request: debUrl,
      before: (session) => scenario.trustPackages(session),
      response: () => ({ body: flip(scenario.deb) }),
      opinion: 'Rejected',
      reason:
        /^pool\/main\/h\/hello\/hello_1\.0-1_amd64\.deb has sha256 [0-9a-f]{64}, the trusted Packages index lists [0-9a-f]{64}: .*tampered with; run apt-get update again$/,
    },
    {
      name: 'refuses bytes of another size',
      request: debUrl,
      before: (session) => scenario.trustPackages(session),
      response: { body: 'x' },
      opinion: 'Rejected',
      reason: /has 1 bytes, the trusted Packages index lists \d+/,
    },
    { name: 'claims nothing elsewhere', request: 'http://other.example/pool/x_1_all.deb', claim: 'unclaimed' },
  ],
});

describe('deb', () => {
  it('links to the index that lists it', async () => {
    const { found } = await listed(scenario.deb);
    expect(found?.vouchedBy).toEqual([
      {
        kind: 'artifact',
        sha256: hex('sha256', scenario.files['main/binary-amd64/Packages.gz'] ?? ''),
        inspector: 'apt.packages',
        name: 'apt.packages',
      },
    ]);
  });

  it.each<[string, string, RegExp]>([
    [
      'name',
      helloControl.replace('Package: hello', 'Package: hallo'),
      /control file has Package hallo, the trusted Packages index lists hello/,
    ],
    ['version', helloControl.replace('Version: 1.0-1', 'Version: 1.0-2'), /has Version 1\.0-2, .* lists 1\.0-1/],
    [
      'architecture',
      helloControl.replace('Architecture: amd64', 'Architecture: all'),
      /has Architecture all, .* lists amd64/,
    ],
  ])('refuses a package of another %s than its index says', async (_name, control, reason) => {
    const { found, result } = await listed(buildDeb({ control }));
    expect(found).toMatchObject({ opinion: 'Rejected', metadata: { type: 'application/vnd.debian.binary-package' } });
    expect(found?.reason).toMatch(reason);
    expect(result).toBe('Rejected');
  });

  it.each<[string, Buffer, RegExp]>([
    ['version 3.0', buildDeb({ formatVersion: '3.0\n' }), /expected 2\.0/],
    ['no control file', buildDeb({ control: '' }), /0 paragraphs/],
    ['no package at all', Buffer.from('hello'), /no ar archive/],
    [
      'a member larger than the file',
      buildAr([
        { name: 'debian-binary', body: '2.0\n' },
        { name: 'control.tar', body: '', claimedSize: '9999999999' },
      ]),
      /ends after/,
    ],
  ])('refuses %s, signed or not', async (_name, deb, reason) => {
    const { found, result } = await listed(deb);
    expect(found).toMatchObject({ opinion: 'Rejected' });
    expect(found?.reason).toMatch(reason);
    expect(result).toBe('Rejected');
  });

  it('takes names that apt encodes in URLs', async () => {
    const control = helloControl.replace('Package: hello', 'Package: g++').replace('1.0-1', '1:2~rc1');
    const deb = buildDeb({ control });
    const packages = packageParagraph(deb, {
      Package: 'g++',
      Version: '1:2~rc1',
      Filename: 'pool/main/g/g++_2~rc1_amd64.deb',
    });
    const { found } = await listed(deb, { packages }, `${base}/pool/main/g/g%2b%2b_2%7erc1_amd64.deb`);
    expect(found).toMatchObject({
      opinion: 'Approved',
      metadata: { purl: 'pkg:deb/test/g%2B%2B@1:2~rc1?arch=amd64&distro=bookworm' },
    });
  });

  describe('whose index the client did not fetch, because it has it from before', () => {
    const path = 'main/binary-amd64/Packages.gz';
    const url = `${dists}/${path}`;
    const open = async (companions: Record<string, Uint8Array>, made = scenario) => {
      // Inspectors of their own, as each session has them.
      const inspectors = aptInspectors(aptConfig(made.key));
      const session = createFakeSession({ inspectors, companions });
      await made.trustRelease(session);
      return session;
    };

    it('fetches it once, and links to the release', async () => {
      const session = await open({ [url]: scenario.files[path] ?? Buffer.alloc(0) });
      const first = await session.download(debUrl, { body: scenario.deb });
      expect(first.result).toBe('Approved');
      expect(first.vouched).toEqual([]);
      expect(first.artifact.get('deb')).toMatchObject({
        metadata: { 'apt-suite': 'stable', purl: 'pkg:deb/test/hello@1.0-1?arch=amd64&distro=bookworm' },
        vouchedBy: [{ kind: 'artifact', inspector: 'apt.release', sha256: hex('sha256', scenario.inRelease) }],
      });
      expect(first.artifact.get('apt.packages')?.annotations).toMatchObject({
        'packages-file': hex('sha256', scenario.files[path] ?? ''),
        'packages-fetched-from': url,
      });
      const second = await session.download(debUrl, { body: scenario.deb });
      expect(second.artifact.get('deb')).toEqual(first.artifact.get('deb'));
      expect(second.vouched).toHaveLength(1);
      expect(session.companionsAsked).toEqual([url]);
      const other = await open({ [url]: scenario.files[path] ?? Buffer.alloc(0) });
      await other.download(debUrl, { body: scenario.deb });
      expect(other.companionsAsked).toEqual([url]);
    });

    it('asks by hash where the release says so', async () => {
      const made = await createScenario({ release: { files: scenario.files, fields: { 'Acquire-By-Hash': 'yes' } } });
      const byHash = made.byHash(path);
      const session = await open({ [byHash]: scenario.files[path] ?? Buffer.alloc(0) }, made);
      expect((await session.download(debUrl, { body: scenario.deb })).result).toBe('Approved');
      expect(session.companionsAsked).toEqual([byHash]);
    });

    it.each<[string, () => Record<string, Uint8Array>, string, RegExp]>([
      ['the mirror does not have it', () => ({}), debUrl, /no Packages index of/],
      [
        'the mirror has another',
        () => ({ [url]: flip(scenario.files[path] ?? Buffer.alloc(0)) }),
        debUrl,
        /no Packages index of/,
      ],
      [
        'it does not list the package',
        () => ({ [url]: scenario.files[path] ?? Buffer.alloc(0) }),
        `${base}/pool/main/x_1_amd64.deb`,
        /no Packages index of/,
      ],
    ])('refuses the package when %s', async (_name, companions, target, reason) => {
      const session = await open(companions());
      const { artifact, result } = await session.download(target, { body: scenario.deb });
      expect(result).toBe('Rejected');
      expect(artifact.get('deb')?.reason).toMatch(reason);
    });

    it('refuses other bytes, and an index of a form that cannot be read', async () => {
      const session = await open({ [url]: scenario.files[path] ?? Buffer.alloc(0) });
      const tampered = await session.download(debUrl, { body: flip(scenario.deb) });
      expect(tampered.artifact.get('deb')?.reason).toMatch(/has sha256 .* lists/);
      const broken = await createScenario({ packages: 'hello\n' });
      const failing = await open({ [url]: broken.files[path] ?? Buffer.alloc(0) }, broken);
      expect((await failing.download(debUrl, { body: broken.deb })).result).toBe('Rejected');
    });

    it('asks for indexes of other architectures and components only where they fit, and for no more than three', async () => {
      const files = Object.fromEntries(
        ['a', 'b', 'c', 'd', 'main'].flatMap((component) =>
          ['amd64', 'arm64'].map((arch) => [`${component}/binary-${arch}/Packages`, `${component} ${arch}`] as const),
        ),
      );
      const made = await createScenario({ release: { files, fields: { Components: 'a b c d main' } } });
      const session = await open({}, made);
      await session.download(debUrl, { body: scenario.deb });
      expect(session.companionsAsked.every((asked) => asked.endsWith('main/binary-amd64/Packages'))).toBe(true);
      const elsewhere = await open({}, made);
      const [inspector] = aptInspectors(aptConfig(made.key)).filter(({ id }) => id === 'deb');
      const claim = inspector?.inspectRequest(fakeRequest(`${base}/odd/x_1_arm64.deb`));
      await inspector?.inspectArtifact(
        fakeArtifact(`${base}/odd/x_1_arm64.deb`, { body: scenario.deb }),
        claim?.expected,
        elsewhere.context,
      );
      expect(elsewhere.companionsAsked).toEqual(['a', 'b', 'c'].map((one) => `${dists}/${one}/binary-arm64/Packages`));
    });

    it('fetches once for packages that come at the same time', async () => {
      const session = await open({ [url]: scenario.files[path] ?? Buffer.alloc(0) });
      const all = await Promise.all(Array.from({ length: 6 }, () => session.download(debUrl, { body: scenario.deb })));
      expect(all.every(({ result }) => result === 'Approved')).toBe(true);
      expect(session.companionsAsked).toEqual([url]);
    });
  });

  it('says why there is no license', async () => {
    const { found } = await listed(buildDeb({ data: [] }));
    expect(found).toMatchObject({
      opinion: 'Approved',
      metadata: { license: '' },
      annotations: { 'copyright-note': expect.stringContaining('no usr/share/doc') },
    });
  });

  it('takes any trusted index of the repository, whichever component and however old', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    await scenario.trustPackages(session);
    const newer = await createScenario({ packages: packageParagraph('x', { Package: 'x', Filename: 'pool/x.deb' }) });
    await newer.trustPackages(session);
    expect((await session.download(debUrl, { body: scenario.deb })).result).toBe('Approved');
  });

  it('does not take an index of another repository', async () => {
    const urls = [base, 'http://deb.registry.example/other'];
    const inspectors = aptInspectors(aptConfig(scenario.key, { urls }));
    const session = createFakeSession({ inspectors });
    await scenario.trustPackages(session);
    const there = debUrl.replace('/debian/', '/other/');
    const { artifact, result } = await session.download(there, { body: scenario.deb });
    expect(result).toBe('Rejected');
    expect(artifact.get('deb')?.reason).toMatch(/no Packages index of http:\/\/deb\.registry\.example\/other/);
  });

  it('names a package that nobody asked for in a permissive session, and refuses it', async () => {
    const session = createFakeSession({ inspectors: scenario.inspectors });
    const inspector = scenario.inspectors.find(({ id }) => id === 'deb');
    const artifact = fakeArtifact('http://elsewhere.example/x.deb', { body: scenario.deb });
    expect(await inspector?.inspectArtifact(artifact, undefined, session.context)).toMatchObject({
      opinion: 'Rejected',
      metadata: { name: 'hello', license: 'GPL-2.0-or-later AND MIT', purl: 'pkg:deb/debian/hello@1.0-1?arch=amd64' },
    });
  });

  it('vouches with SHA512 where the index has it', async () => {
    const packages = packageParagraph(scenario.deb, { Filename: debPath, SHA512: hex('sha512', scenario.deb) });
    const made = await createScenario({ packages });
    const session = createFakeSession({ inspectors: made.inspectors });
    await made.trustPackages(session);
    const { vouched, result } = await session.download(debUrl, { body: scenario.deb });
    expect(result).toBe('Approved');
    expect(vouched[0]?.digests).toContainEqual({ algorithm: 'sha512', hex: hex('sha512', scenario.deb) });
    const wrong = await listed(scenario.deb, {
      packages: packageParagraph(scenario.deb, { Filename: debPath, SHA512: 'a'.repeat(128) }),
    });
    expect(wrong.found?.reason).toMatch(/has sha512 [0-9a-f]{128}, the trusted Packages index lists aaa/);
  });
});

function flip(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[bytes.length >> 1] = (copy[bytes.length >> 1] ?? 0) ^ 1;
  return copy;
}
