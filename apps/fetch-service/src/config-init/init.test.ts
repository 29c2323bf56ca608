import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAclText } from '../config/acl-config.js';
import { type KeyProblems, readInspectorsText } from '../config/inspectors-config.js';
import { armorPublicKeys } from '../openpgp/armor.js';
import { parseDeb822Sources, parseSourcesList } from './apt-sources.js';
import { createConfiguration, writeConfiguration } from './init.js';
import { globBelow } from './origin-url.js';
import type { ProgramResult, RunProgram } from './run-program.js';

const keyring = new Uint8Array([0xc6, 3, 4, 0, 0]);
const armored = armorPublicKeys(keyring);

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'waybill-init-'));
  await mkdir(join(root, 'sources.list.d'));
  await mkdir(join(root, 'trusted.gpg.d'));
});
afterEach(() => rm(root, { recursive: true }));

/** A machine whose programs answer so. */
function machine(answers: Partial<Record<'npm' | 'apt-config' | 'git' | 'yarn', ProgramResult>>): RunProgram {
  const shell = `list='${root}/sources.list'\nparts='${root}/sources.list.d/'\ntrusted='${root}/trusted.gpg'\ntrustedParts='${root}/trusted.gpg.d/'\n`;
  const defaults: Record<string, ProgramResult> = {
    npm: { missing: true },
    'apt-config': { output: shell },
    git: { failure: '' },
  };
  return async (program) => answers[program as 'npm'] ?? defaults[program] ?? { missing: true };
}

/** The keys of these tests are envelopes without a key in them. */
const keyProblems: KeyProblems = async () => [];
const read = (text: string) => readInspectorsText(text, keyProblems);
const all = { clients: [], gitUrls: [], keyProblems };
const npm = (config: object): ProgramResult => ({ output: JSON.stringify(config) });

describe('npm', () => {
  it('takes the registry and those of scopes, without credentials', async () => {
    const run = machine({
      npm: npm({
        registry: 'https://user:hunter2@registry.example/npm/',
        '@corp:registry': 'https://corp.example/',
        '@odd:registry': 'ftp://x/',
        '//corp.example/:_authToken': 'hunter2',
        'replace-registry-host': 'x',
      }),
    });
    const { inspectors, notes } = await createConfiguration({ ...all, run });
    const { config, findings } = await read(inspectors);
    expect(findings).toEqual([]);
    expect(config?.npm?.registries).toEqual({
      default: { url: 'https://registry.example/npm/', tarballs: [] },
      '@corp': { url: 'https://corp.example/', tarballs: [] },
    });
    expect(inspectors).not.toContain('hunter2');
    expect(notes).toEqual(
      expect.arrayContaining([expect.stringContaining('has credentials'), expect.stringContaining('@odd')]),
    );
  });

  it('asks again for a registry that the list leaves out', async () => {
    const run: RunProgram = async (program, args) => {
      if (program !== 'npm') return { missing: true };
      return args[1] === 'get' ? { output: 'https://r.example/\n' } : npm({});
    };
    expect(
      (await read((await createConfiguration({ ...all, run })).inspectors)).config?.npm?.registries.default?.url,
    ).toBe('https://r.example/');
  });
});

describe('apt', () => {
  it('reads both styles, merges what shares a base and joins the keys', async () => {
    const key = join(root, 'debian.gpg');
    await writeFile(key, keyring);
    await writeFile(join(root, 'trusted.gpg.d', 'other.asc'), `A comment\n${armored}`);
    await writeFile(
      join(root, 'sources.list'),
      `# deb http://commented.example/ x y\ndeb [arch=amd64 signed-by=${key}] http://deb.registry.example/debian stable main contrib # why\ndeb-src http://deb.registry.example/debian stable main\n`,
    );
    await writeFile(
      join(root, 'sources.list.d', 'more.sources'),
      `Types: deb deb-src
# a comment
URIs: http://deb.registry.example/debian/
Suites: stable-updates
  stable-security
Components: main
Signed-By: ${key}

Types: deb
URIs: https://ppa.registry.example:8443/team/ubuntu
Suites: noble
Components: main
Signed-By:
${armored
  .trimEnd()
  .split('\n')
  .map((line) => ` ${line === '' ? '.' : line}`)
  .join('\n')}

Types: deb
Enabled: no
URIs: http://disabled.example/x
Suites: x
Components: main
`,
    );
    await writeFile(join(root, 'sources.list.d', 'ignored.list.save'), 'deb http://saved.example/ x main\n');
    const { inspectors } = await createConfiguration({ ...all, run: machine({}) });
    const { config, findings } = await read(inspectors);
    expect(findings).toEqual([]);
    expect(config?.apt?.repositories).toEqual({
      debian: expect.objectContaining({
        urls: ['http://deb.registry.example/debian/**'],
        suites: ['stable', 'stable-updates', 'stable-security'],
        components: ['main', 'contrib'],
        'public-key': armored,
      }),
      ubuntu: expect.objectContaining({
        urls: ['https://ppa.registry.example:8443/team/ubuntu/**'],
        suites: ['noble'],
        'public-key': armored,
      }),
    });
  });

  it('takes the trusted keys for sources that name none', async () => {
    await writeFile(join(root, 'trusted.gpg.d', 'a.gpg'), keyring);
    await writeFile(join(root, 'sources.list'), 'deb http://deb.registry.example/debian stable main\n');
    const { inspectors } = await createConfiguration({ ...all, run: machine({}) });
    expect((await read(inspectors)).config?.apt?.repositories.debian?.['public-key']).toBe(armored);
  });

  it.each([
    ['deb http://deb.registry.example/debian stable main', 'no key was found'],
    ['deb [trusted=yes] http://deb.registry.example/debian stable main', 'is marked trusted'],
    ['deb [signed-by=/nowhere.gpg] http://deb.registry.example/debian stable main', '/nowhere.gpg cannot be read'],
    ['deb http://deb.registry.example/flat ./', 'flat repository'],
    ['deb cdrom:[Debian]/ stable main', 'not an http or https source'],
    ['deb file:/srv/debian stable main', 'not an http or https source'],
    ['deb http://deb.registry.example/$(ARCH)/ stable main', 'not an http or https source'],
  ])('leaves out %s and says why', async (line, why) => {
    await writeFile(join(root, 'sources.list'), `${line}\n`);
    const { inspectors, notes } = await createConfiguration({
      ...all,
      run: machine({ npm: npm({ registry: 'https://r.example/' }) }),
    });
    expect((await read(inspectors)).config).not.toHaveProperty('apt');
    expect(notes.join('\n')).toContain(why);
    expect(inspectors).toContain(why);
  });

  it('leaves out keys that the inspectors cannot read', async () => {
    await writeFile(join(root, 'trusted.gpg.d', 'a.gpg'), keyring);
    await writeFile(join(root, 'sources.list'), 'deb http://deb.registry.example/debian stable main\n');
    const run = machine({ npm: npm({ registry: 'https://r.example/' }) });
    const { notes, inspectors } = await createConfiguration({ clients: [], gitUrls: [], run });
    expect(notes.join('\n')).toMatch(/a key was left out: block 1 of public-key cannot be read/);
    expect((await read(inspectors)).config).not.toHaveProperty('apt');
  });

  it('says what kind of key file it cannot read', async () => {
    const keybox = join(root, 'keys.kbx');
    await writeFile(keybox, Buffer.concat([Buffer.alloc(8), Buffer.from('KBXf'), Buffer.alloc(20)]));
    await writeFile(
      join(root, 'sources.list'),
      `deb [signed-by=${keybox}] http://deb.registry.example/debian stable main\n`,
    );
    const run = machine({ npm: npm({ registry: 'https://r.example/' }) });
    expect((await createConfiguration({ ...all, run })).notes.join('\n')).toContain('a keybox of gpg');
  });
});

describe('sources of apt', () => {
  it('are parsed line by line', () => {
    expect(
      parseSourcesList(
        '  deb [ arch=amd64,arm64 lang=en ] http://a/ b c d\ndeb [signed-by=/k1,/k2] http://a/ b/\nnonsense\ndeb http://x\n',
      ),
    ).toEqual([
      expect.objectContaining({ uris: ['http://a/'], suites: ['b'], components: ['c', 'd'], keyFiles: [] }),
      expect.objectContaining({ suites: ['b/'], components: [], keyFiles: ['/k1', '/k2'] }),
    ]);
  });

  it('are parsed stanza by stanza', () => {
    const [one, ...more] = parseDeb822Sources(
      '\r\nTypes: deb\r\nURIs: http://a http://b\r\nSuites: s\r\nSigned-By: /k ABCDEF0123456789\r\n\r\nTypes: deb-src\nURIs: http://c\n\nnonsense\n',
    );
    expect(more).toEqual([]);
    expect(one).toMatchObject({ uris: ['http://a', 'http://b'], keyFiles: ['/k'], fingerprints: ['ABCDEF0123456789'] });
  });
});

describe('git', () => {
  it('takes what it is told and where insteadOf leads', async () => {
    const run = machine({
      git: {
        output: 'url.https://mirror.example/git/.insteadof https://git.example/\nurl.git@host:.insteadof https://x/\n',
      },
    });
    const { inspectors } = await createConfiguration({
      clients: ['git'],
      gitUrls: ['https://git.example/team', 'https://*.example:443/**'],
      run,
    });
    expect((await read(inspectors)).config).toEqual({
      git: {
        urls: ['https://git.example:443/team/**', 'https://*.example:443/**', 'https://mirror.example:443/git/**'],
      },
    });
  });
});

describe('globBelow', () => {
  it.each([
    ['http://a.example/debian', 'http://a.example/debian/**'],
    ['http://a.example:8080/', 'http://a.example:8080/**'],
    ['https://a.example', 'https://a.example:443/**'],
    ['https://u:p@a.example/x%20y//', 'https://a.example:443/x%20y/**'],
    ['https://a.example/{x}*', 'https://a.example:443/%7Bx%7D\\*/**'],
    ['https://[::1]:4443/x', 'https://[::1]:4443/x/**'],
  ])('of %s', (url, glob) => {
    expect(globBelow(new URL(url))).toBe(glob);
  });
});

describe('the files', () => {
  it('are valid, commented and never overwritten unasked', async () => {
    const run = machine({ npm: npm({ registry: 'https://r.example/' }) });
    const result = await createConfiguration({ clients: ['npm'], gitUrls: [], run });
    expect(readAclText(result.acl).findings).toEqual([]);
    const directory = join(root, 'conf');
    expect(await writeConfiguration(directory, result, false)).toHaveLength(2);
    expect(await readFile(join(directory, 'inspectors.yaml'), 'utf8')).toMatch(/^# /);
    await expect(writeConfiguration(directory, result, false)).rejects.toMatchObject({
      code: 'FETCH_CONFIG_UNWRITABLE',
      hint: expect.stringContaining('--force'),
    });
    await rm(join(directory, 'inspectors.yaml'));
    expect(await writeConfiguration(directory, result, false)).toEqual([join(directory, 'inspectors.yaml')]);
    expect(await writeConfiguration(directory, result, true)).toHaveLength(2);
  });

  it('are not made of nothing', async () => {
    const run: RunProgram = async () => ({ missing: true });
    await expect(createConfiguration({ ...all, run })).rejects.toMatchObject({
      code: 'FETCH_ORIGINS_NOT_FOUND',
      message: expect.stringContaining('npm is not installed'),
    });
  });
});

describe('clients that hide their default', () => {
  /** Behaves as a client that asks for a tunnel to its registry, by the proxy that its arguments or variables name. */
  const wants =
    (authority: string, others: Readonly<Record<string, ProgramResult>> = {}): RunProgram =>
    async (program, args) => {
      const proxy = args.map((arg) => /(http:\/\/127\.0\.0\.1:\d+)/.exec(arg)?.[1]).find(Boolean);
      if (proxy === undefined) return others[program] ?? { missing: true };
      await new Promise((resolve) =>
        request({ ...urlParts(proxy), method: 'CONNECT', path: authority })
          .once('connect', resolve)
          .end(),
      );
      return { failure: 'forbidden by the proxy' };
    };
  const urlParts = (url: string) => ({ host: new URL(url).hostname, port: new URL(url).port });
  const version: ProgramResult = { output: '1.2.3' };
  const nothing = async () => undefined;

  it('uv: the host of a throw-away run, beside the index that pip names elsewhere', async () => {
    const pip: ProgramResult = { output: "global.index-url='https://pip.example/root/simple'\n" };
    const run = wants('uv.example:443', { uv: version, python3: pip });
    const { inspectors } = await createConfiguration({ ...all, clients: ['pip'], run, fetch: nothing });
    const { config } = await read(inspectors);
    expect(Object.values(config?.pip?.indexes ?? {}).map(({ url }) => url)).toEqual([
      'https://pip.example/root/simple/',
      'https://uv.example/simple/',
    ]);
  });

  it('uv: nothing is guessed where pip names an index of that host', async () => {
    const pip: ProgramResult = { output: "global.index-url='https://me:hunter2@index.example/root/simple'\n" };
    const run = wants('index.example:443', { uv: version, python3: pip });
    const { inspectors } = await createConfiguration({ ...all, clients: ['pip'], run, fetch: nothing });
    const { config } = await read(inspectors);
    expect(Object.values(config?.pip?.indexes ?? {}).map(({ url }) => url)).toEqual([
      'https://index.example/root/simple/',
    ]);
  });

  it('uv alone makes a section too', async () => {
    const run = wants('uv.example:8443', { uv: version });
    const { inspectors } = await createConfiguration({ ...all, clients: ['pip'], run, fetch: nothing });
    expect((await read(inspectors)).config?.pip?.indexes.default?.url).toBe('https://uv.example:8443/simple/');
  });

  it('cargo: the host of a throw-away run', async () => {
    const run = wants('crates.example:443', { cargo: version });
    const { inspectors } = await createConfiguration({ ...all, clients: ['cargo'], run, fetch: nothing });
    expect(inspectors).toContain('index: sparse+https://crates.example/');
  });

  it.each([
    ['https://yarn.example/\n', ['https://registry.example/', 'https://yarn.example/']],
    ['https://registry.example\n', ['https://registry.example/']],
    ['undefined\n', ['https://registry.example/']],
  ])("yarn: its registry %j beside npm's, unless it is the same", async (output, wanted) => {
    const run = machine({ npm: npm({ registry: 'https://registry.example/' }), yarn: { output } });
    const { inspectors } = await createConfiguration({ ...all, clients: ['npm'], run });
    const { config } = await read(inspectors);
    expect(Object.values(config?.npm?.registries ?? {}).map(({ url }) => url)).toEqual(wanted);
  });
});
