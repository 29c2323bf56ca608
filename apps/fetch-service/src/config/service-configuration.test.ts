import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { armorPublicKeys } from '../openpgp/armor.js';
import { readAclText } from './acl-config.js';
import { formatFinding } from './finding.js';
import { type KeyProblems, readInspectorsText, readInspectorsValue } from './inspectors-config.js';
import { loadServiceConfiguration } from './service-configuration.js';

const key = armorPublicKeys(new Uint8Array([0xc6, 3, 4, 0, 0]));
const indented = key.replaceAll('\n', '\n        ').trimEnd();
const apt = (more = '', publicKey = indented) => `apt:
  repositories:
    debian:
      urls: ["https://deb.registry.example:443/debian/**"]
      suites: ["stable*"]
${more}      public-key: |
        ${publicKey}
`;

/** The keys of these tests are envelopes without a key in them. */
const anyKey: KeyProblems = async () => [];
const read = (text: string) => readInspectorsText(text, anyKey);
const said = async (text: string) =>
  (await read(text)).findings.map((finding) => formatFinding(finding, 'inspectors.yaml'));

describe('inspectors.yaml', () => {
  it('takes the sections of the seed and ours', async () => {
    const { config, findings } = await read(`
git: {urls: ["https://git.example:443/**"]}
crafts: {urls: []}
snap: {snap-declaration: [{name: publisher-id, value: [canonical]}]}
${apt()}
npm: {registries: {default: {url: "https://registry.example/npm/"}}}
generic: {files: [{url: "https://files.example/x.tar", sha256: ${'A'.repeat(64)}}]}
limits: {hold: whole}
`);
    expect(findings).toEqual([]);
    expect(config?.generic?.files[0]?.sha256).toBe('a'.repeat(64));
    expect(config?.limits).toEqual({ hold: 'whole' });
    expect(config?.apt?.repositories.debian?.components).toEqual(['*', '**']);
  });

  it('knows the old name of suites', async () => {
    expect((await read(apt().replace('suites', 'dists'))).config?.apt?.repositories.debian?.suites).toEqual([
      'stable*',
    ]);
  });

  it('allows nothing when empty', async () => {
    expect(await read('# nothing\n')).toEqual({ config: {}, findings: [] });
  });

  it.each<[string, string, string | RegExp]>([
    ['syntax', 'git:\n  urls: [a\n', /^inspectors\.yaml:\d+:\d+: /],
    ['a key twice', 'git: {urls: []}\ngit: {urls: []}\n', /^inspectors\.yaml:2:1: .*unique/],
    [
      'an unknown section',
      'npm: {registries: {}}\ngitt: {urls: []}\n',
      /^inspectors\.yaml:2:1: gitt: unknown section; known are git, crafts, /,
    ],
    ['an unknown key', 'git:\n  urls: []\n  url: []\n', 'inspectors.yaml:3:3: git.url: unknown key'],
    ['a wrong type', 'git:\n  urls:\n    - 7\n', 'inspectors.yaml:3:7: git.urls[0]: expected string, received number'],
    [
      'a missing key, at its parent',
      'crafts: {urls: []}\ngit:\n  {}\n',
      'inspectors.yaml:2:1: git.urls: expected array, received undefined',
    ],
    [
      'a missing suites',
      apt().replace(/ {6}suites.*\n/, ''),
      /^inspectors\.yaml:3:5: apt\.repositories\.debian\.suites: missing `suites`/,
    ],
    [
      'no key',
      apt('', 'none'),
      /^inspectors\.yaml:6:7: apt\.repositories\.debian\.public-key: expected one or more armored OpenPGP/,
    ],
    [
      'a bad glob',
      'git:\n  urls:\n    - "https://a:443/**"\n    - "https://[a"\n',
      /^inspectors\.yaml:4:7: git\.urls\[1\]: /,
    ],
    [
      'a bad glob of a rule for requests',
      'requests:\n  rules:\n    - urls: ["https://[a"]\n',
      /^inspectors\.yaml:3:14: requests\.rules\[0\]\.urls\[0\]: /,
    ],
    [
      'a method in lower case',
      'requests: {methods: [post]}\n',
      /^inspectors\.yaml:1:\d+: requests\.methods\[0\]: expected a method in upper case/,
    ],
    ['a rule for no URL', 'requests: {rules: [{urls: []}]}\n', /requests\.rules\[0\]\.urls: /],
    [
      'a bad suite glob',
      apt().replace('stable*', '{a'),
      /^inspectors\.yaml:5:16: apt\.repositories\.debian\.suites\[0\]: /,
    ],
    [
      'a short digest',
      `generic:\n  files:\n    - url: "https://a/"\n      sha256: abc\n`,
      'inspectors.yaml:4:7: generic.files[0].sha256: expected 64 hex digits',
    ],
    ['a repository of another name', 'apt:\n  repositories:\n    "a b": {}\n', /apt\.repositories\."a b"\.urls: /],
    ['a list', '- git\n', 'inspectors.yaml:1:1: expected object, received array'],
    ['a text', 'git\n', /expected object/],
    [
      'aliases that grow',
      'a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n',
      /alias/i,
    ],
  ])('names the place of %s', async (_name, text, expected) => {
    const lines = await said(text);
    expect(lines.join('\n')).toMatch(expected);
    expect((await read(text)).config).toBeUndefined();
  });

  it.each<[string, string, string]>([
    ['a secret key', key.replaceAll('PUBLIC', 'PRIVATE'), 'expected one or more armored'],
    ['both keys', `${key}${key.replaceAll('PUBLIC', 'PRIVATE')}`, 'holds a private key'],
    ['a cut key', key.slice(0, -40), 'no complete OpenPGP public key block'],
    ['a changed key', key.replace('xgME', 'xgMF'), 'the checksum does not fit'],
    ['another packet', armorPublicKeys(new Uint8Array([0xc2, 1, 0])), 'does not begin with a public key'],
    ['a second block that is damaged', key + key.replace('xgME', 'x???'), 'block 2 of 2: '],
  ])('refuses %s', async (_name, publicKey, expected) => {
    expect((await said(apt('', publicKey.replaceAll('\n', '\n        ').trimEnd()))).join('\n')).toContain(expected);
  });

  it('reports all faults at once', async () => {
    expect(await said('git: {urls: ["["]}\ncrafts: {urls: ["{"]}\n')).toHaveLength(2);
  });

  it('warns of patterns that can never match', async () => {
    const { config, findings } = await read('git: {urls: ["https://git.example/**"]}');
    expect(config).toBeDefined();
    expect(formatFinding(findings[0] ?? { severity: 'error', path: '', message: '' }, 'f')).toMatch(
      /^f:1:14: warning: git\.urls\[0\]: .*:443/,
    );
  });

  it('names a key that the inspectors cannot read, at its line', async () => {
    const { config, findings } = await readInspectorsText(apt());
    expect(config).toBeUndefined();
    expect(findings.map((finding) => formatFinding(finding, 'f'))).toEqual([
      expect.stringMatching(/^f:6:7: apt\.repositories\.debian\.public-key: block 1 of public-key cannot be read: /),
    ]);
  });

  it('checks values that came as JSON', async () => {
    expect(
      (await readInspectorsValue({ git: { urls: ['['] } })).findings.map((finding) => formatFinding(finding)),
    ).toEqual([expect.stringMatching(/^git\.urls\[0\]: /)]);
  });
});

describe('acl.yaml', () => {
  it('takes rules in order', () => {
    const { config } = readAclText(
      'http-proxy:\n  policy: deny\n  rules:\n    - dst: [10.0.0.0/8, "::1"]\n      access: allow\n',
    );
    expect(config?.['http-proxy'].rules).toHaveLength(1);
  });

  it.each([
    [
      'http-proxy:\n  rules:\n    - dst: [10.0.0.0/33]\n      access: allow\n',
      /^acl\.yaml:3:13: http-proxy\.rules\[0\]\.dst\[0\]: expected an IP address or CIDR/,
    ],
    ['http-proxy:\n  policy: maybe\n', /^acl\.yaml:2:3: http-proxy\.policy: /],
    ['http-proxy:\n  rule: []\n', 'acl.yaml:2:3: http-proxy.rule: unknown key'],
    ['{}\n', /http-proxy: /],
  ])('names the place of a fault in %j', (text, expected) => {
    const { config, findings } = readAclText(text);
    expect(config).toBeUndefined();
    expect(findings.map((finding) => formatFinding(finding, 'acl.yaml')).join('\n')).toMatch(expected);
  });
});

describe('loadServiceConfiguration', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-config-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('says how to make what is missing', async () => {
    await expect(loadServiceConfiguration(join(directory, 'none'))).rejects.toMatchObject({
      code: 'FETCH_CONFIG_MISSING',
      hint: expect.stringContaining('config init'),
    });
    await mkdir(join(directory, 'inspectors.yaml'));
    await expect(loadServiceConfiguration(directory)).rejects.toMatchObject({ code: 'FETCH_CONFIG_INVALID' });
  });

  it('refuses a bad acl.yaml too, with its place', async () => {
    await writeFile(join(directory, 'inspectors.yaml'), '');
    await writeFile(join(directory, 'acl.yaml'), 'http-proxy: {rules: [{dst: [nowhere], access: deny}]}\n');
    await expect(loadServiceConfiguration(directory)).rejects.toMatchObject({
      code: 'FETCH_CONFIG_INVALID',
      message: expect.stringContaining(`${directory}/acl.yaml:1:`),
    });
  });

  it('replaces sections for a session and inherits the others', async () => {
    await writeFile(
      join(directory, 'inspectors.yaml'),
      'git: {urls: ["https://a.example:443/**"]}\ncrafts: {urls: ["https://c.example:443/**"]}\n',
    );
    const configuration = await loadServiceConfiguration(directory);
    const session = await configuration.forSession({ git: { urls: ['https://b.example:443/**'] }, crafts: null });
    expect(session).toEqual({
      git: { urls: ['https://b.example:443/**'] },
      crafts: { urls: ['https://c.example:443/**'] },
    });
    expect(await configuration.forSession(undefined)).toBe(configuration.inspectors);
    for (const [sections, message] of [
      [{ gti: {} }, 'inspectors-configuration: gti: unknown section'],
      [{ git: { urls: ['['] } }, 'inspectors-configuration: git.urls[0]: '],
      [[], 'expected an object'],
      ['x', 'expected an object'],
    ] as const) {
      await expect(configuration.forSession(sections)).rejects.toThrow(message);
    }
  });

  it('does not let a session raise the limits that the service names', async () => {
    await writeFile(join(directory, 'inspectors.yaml'), 'limits: {total-bytes: 1000, hold: whole}');
    const configuration = await loadServiceConfiguration(directory);
    const limits = { 'total-bytes': 5000, hold: 'stream', connections: 5 };
    expect((await configuration.forSession({ limits })).limits).toEqual({
      'total-bytes': 1000,
      hold: 'whole',
      connections: 5,
    });
    expect((await configuration.forSession({ git: { urls: [] } })).limits).toEqual({
      'total-bytes': 1000,
      hold: 'whole',
    });
  });

  it('is updated in memory and on disk, or not at all', async () => {
    const file = join(directory, 'inspectors.yaml');
    await writeFile(file, '');
    const updates: string[] = [];
    const configuration = await loadServiceConfiguration(directory, (type) => updates.push(type));
    const text = 'git: {urls: ["https://a.example:443/**"]}';
    await configuration.update('inspectors', text, { validateOnly: true });
    expect([configuration.inspectors, updates]).toEqual([{}, []]);
    await configuration.update('inspectors', text);
    expect(configuration.inspectors.git?.urls).toHaveLength(1);
    expect(await readFile(file, 'utf8')).toBe(`${text}\n`);
    await expect(configuration.update('inspectors', 'git: 7')).rejects.toMatchObject({ code: 'FETCH_CONFIG_INVALID' });
    await configuration.update('acl', 'http-proxy: {policy: deny}');
    expect(configuration.acl?.['http-proxy'].policy).toBe('deny');
    expect(updates).toEqual(['inspectors', 'acl']);
    expect((await readdir(directory)).sort()).toEqual(['acl.yaml', 'inspectors.yaml']);
  });

  it('keeps what is current when the file cannot be written', async () => {
    await writeFile(join(directory, 'inspectors.yaml'), '');
    const configuration = await loadServiceConfiguration(directory);
    await mkdir(join(directory, 'acl.yaml'));
    await expect(configuration.update('acl', 'http-proxy: {policy: deny}')).rejects.toMatchObject({
      code: 'FETCH_CONFIG_UNWRITABLE',
    });
    expect(configuration.acl).toBeUndefined();
    expect((await readdir(directory)).sort()).toEqual(['acl.yaml', 'inspectors.yaml']);
  });
});
