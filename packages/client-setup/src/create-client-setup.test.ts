import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createRootCa, type RootCa } from '@waybill/ca';
import { beforeAll, describe, expect, it } from 'vitest';
import { useFolder } from '../test/folder.js';
import { applyClientSetup, type ClientSetup, createClientSetup } from './create-client-setup.js';
import { readCertificates } from './pem.js';

const path = useFolder();
let ca: RootCa;
let system: RootCa;
beforeAll(async () => {
  ca = await createRootCa({ commonName: 'Session CA' });
  system = await createRootCa({ commonName: 'System root' });
});

const relay = 'http://127.0.0.1:3128';
const setup = (
  hostEnv: NodeJS.ProcessEnv = {},
  options: { proxyUrl?: string; pathInside?: string } = {},
): Promise<ClientSetup> =>
  createClientSetup({
    proxyUrl: relay,
    caPem: ca.certificatePem,
    dir: path('s'),
    systemRootsPem: system.certificatePem,
    hostEnv,
    ...options,
  });
const read = (name: string) => readFile(path('s', name), 'utf8');

describe('proxy variables', () => {
  it('are set in both cases, with no exceptions', async () => {
    const { env } = await setup();
    for (const name of ['http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'])
      expect(env[name]).toBe(relay);
    expect([env.no_proxy, env.NO_PROXY]).toEqual(['', '']);
  });

  it('replace what the host says, in whatever spelling', async () => {
    const hostEnv = {
      HTTPS_PROXY: 'http://corp.example:8080',
      no_proxy: '*',
      NO_PROXY: 'localhost',
      Https_Proxy: 'http://corp.example:8080',
      ftp_proxy: 'http://corp.example:8080',
      npm_config_https_proxy: 'http://corp.example:8080',
      'NPM_CONFIG_HTTPS-PROXY': 'http://corp.example:8080',
      npm_config_noproxy: '*',
      PATH: '/bin',
    };
    const prepared = await setup(hostEnv);
    const env = applyClientSetup(hostEnv, prepared);
    expect(JSON.stringify(env)).not.toContain('corp.example');
    expect(
      Object.entries(env).filter(([name, value]) => /no_?proxy/i.test(name) && !['', 'none.invalid'].includes(value)),
    ).toEqual([]);
    expect(env.PATH).toBe('/bin');
    expect(prepared.unset).toEqual(['Https_Proxy', 'NPM_CONFIG_HTTPS-PROXY', 'ftp_proxy']);
  });
});

describe('trust', () => {
  it('is added to the roots of the system', async () => {
    const { env } = await setup();
    const expected = readCertificates(system.certificatePem + ca.certificatePem);
    for (const name of [
      'SSL_CERT_FILE',
      'CURL_CA_BUNDLE',
      'GIT_SSL_CAINFO',
      'REQUESTS_CA_BUNDLE',
      'PIP_CERT',
      'CARGO_HTTP_CAINFO',
      'npm_config_cafile',
    ]) {
      expect(env[name]).toBe(path('s', 'ca-bundle.pem'));
    }
    expect(readCertificates(await read('ca-bundle.pem'))).toEqual(expected);
    expect(await read('ca.pem')).toBe(ca.certificatePem);
    const store = await readFile(path('s', 'java/trust.p12'));
    expect(expected.every((der) => store.includes(der))).toBe(true);
  });

  it("adds to Node's roots only what Node lacks", async () => {
    const corporate = await createRootCa();
    await writeFile(path('corporate.pem'), corporate.certificatePem);
    const { env } = await setup({ NODE_EXTRA_CA_CERTS: path('corporate.pem') });
    expect(await readFile(env.NODE_EXTRA_CA_CERTS as string, 'utf8')).toBe(
      corporate.certificatePem + ca.certificatePem,
    );
    expect(readCertificates(await read('ca-bundle.pem'))).toHaveLength(3);
  });

  it("takes the host's SSL_CERT_FILE for the system's roots and drops SSL_CERT_DIR", async () => {
    const corporate = await createRootCa();
    await writeFile(path('corporate.pem'), corporate.certificatePem);
    const hostEnv = { SSL_CERT_FILE: path('corporate.pem'), SSL_CERT_DIR: path('none') };
    const prepared = await createClientSetup({ proxyUrl: relay, caPem: ca.certificatePem, dir: path('s'), hostEnv });
    expect(await read('ca-bundle.pem')).toBe(corporate.certificatePem + ca.certificatePem);
    expect(prepared.unset).toEqual(['SSL_CERT_DIR']);
  });

  it.each(['', 'text', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])(
    'refuses %j for a CA',
    async (caPem) => {
      const options = { proxyUrl: relay, caPem, dir: path('s'), systemRootsPem: system.certificatePem, hostEnv: {} };
      await expect(createClientSetup(options)).rejects.toMatchObject({ code: 'SETUP_CA_INVALID' });
    },
  );

  it('switches no check off', async () => {
    const { env, unset } = await setup({
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      GIT_SSL_NO_VERIFY: '1',
      PIP_TRUSTED_HOST: '*',
      GOINSECURE: '*',
    });
    expect(unset).toEqual(['GIT_SSL_NO_VERIFY', 'GOINSECURE', 'NODE_TLS_REJECT_UNAUTHORIZED', 'PIP_TRUSTED_HOST']);
    expect(env.npm_config_strict_ssl).toBe('true');
  });
});

describe('files', () => {
  it('lie in the folder, complete, and name the folder as the build sees it', async () => {
    const { env, files } = await setup({}, { pathInside: '/session' });
    expect(env.SSL_CERT_FILE).toBe('/session/ca-bundle.pem');
    for (const file of files) {
      expect(file.path.startsWith(path('s'))).toBe(true);
      expect((await stat(file.path)).mode & 0o777).toBe(file.mode);
    }
    const texts = await Promise.all(['apt/apt.conf', 'apt/conf.d/zzzz-waybill', 'wgetrc'].map(read));
    expect(JSON.stringify([env, texts])).not.toContain(path('s'));
  });

  it('are for the owner alone when they hold the token', async () => {
    const { files } = await setup({}, { proxyUrl: 'http://session:hunter2@proxy.example:9988' });
    const withToken: string[] = [];
    for (const file of files) {
      if ((await readFile(file.path)).includes('hunter2')) withToken.push(file.path);
      if (withToken.includes(file.path)) expect(file.mode).toBe(0o600);
    }
    const names = [
      'wgetrc',
      'java/credentials.args',
      'java/settings.xml',
      'java/gradle/gradle.properties',
      'apt/conf.d/zzzz-waybill',
      'dnf/dnf.conf',
      'gnupg/dirmngr.conf',
      'containers/docker/config.json',
    ];
    expect(withToken).toEqual(names.map((name) => path('s', name)));
  });

  it('are the same when written again, and replace links instead of following them', async () => {
    await mkdir(path('s'));
    await writeFile(path('victim'), 'untouched');
    await symlink(path('victim'), path('s', 'ca.pem'));
    await symlink(path('victim'), path('s', 'wgetrc.new'));
    const first = await setup();
    const before = await Promise.all(first.files.map((file) => readFile(file.path, 'hex')));
    const second = await setup();
    expect(second).toEqual(first);
    expect(await Promise.all(second.files.map((file) => readFile(file.path, 'hex')))).toEqual(before);
    expect(await readFile(path('victim'), 'utf8')).toBe('untouched');
  });

  it('say when they cannot be written', async () => {
    await writeFile(path('s'), '');
    await expect(setup()).rejects.toMatchObject({
      code: 'SETUP_WRITE_FAILED',
      message: expect.stringContaining(path('s')),
    });
  });
});

describe('caches', () => {
  it('lie in the session, so that everything is downloaded through it', async () => {
    const hostEnv = {
      npm_config_cache: '/var/cache/npm',
      GOMODCACHE: '/var/cache/go',
      CARGO_HOME: '/var/cache/cargo',
      PIP_CACHE_DIR: '/var/cache/pip',
    };
    const env = applyClientSetup(hostEnv, await setup(hostEnv));
    expect(JSON.stringify(env)).not.toContain('/var/cache');
    expect(env).toMatchObject({
      npm_config_cache: path('s', 'npm/cache'),
      GOMODCACHE: path('s', 'go/mod'),
      CARGO_HOME: path('s', 'cargo'),
      PIP_NO_CACHE_DIR: '1',
      UV_NO_CACHE: '1',
      JAVA_TOOL_OPTIONS: expect.stringContaining(`-Dmaven.repo.local=${path('s', 'java/maven')}`),
    });
  });
});

describe("registries of the user's own configuration", () => {
  const home = async (name: string, text: string) => {
    await mkdir(path('home', name, '..'), { recursive: true });
    await writeFile(path('home', name), text);
  };

  it('are carried over for npm, without credentials and ways around', async () => {
    await home(
      '.npmrc',
      [
        'registry = https://user:hunter2@registry.example/npm/',
        '@scope:registry=https://other.example/',
        '//registry.example/:_authToken=hunter2',
        '_auth=hunter2',
        'noproxy=*',
        'strict-ssl=false',
        'cafile=/x',
        '; comment',
      ].join('\r\n'),
    );
    const { env } = await setup({ HOME: path('home') });
    expect(env.npm_config_userconfig).toBe(path('s', 'npm/npmrc'));
    expect((await read('npm/npmrc')).split('\n').slice(1)).toEqual([
      'registry=https://registry.example/npm/',
      '@scope:registry=https://other.example/',
      '',
    ]);
  });

  it('are carried over for pip, unless a variable says it already', async () => {
    await home(
      '.config/pip/pip.conf',
      '[global]\nindex-url = https://user:hunter2@index.example/simple\ntrusted-host = index.example\nproxy = http://x\n',
    );
    expect((await setup({ HOME: path('home') })).env.PIP_INDEX_URL).toBe('https://index.example/simple');
    const { env } = await setup({ HOME: path('home'), PIP_INDEX_URL: 'https://mine.example/simple' });
    expect(env).not.toHaveProperty('PIP_INDEX_URL');
  });

  it('are carried over for cargo, without tokens', async () => {
    await home(
      '.cargo/config.toml',
      '[registries.mine]\nindex = "sparse+https://crates.example/"\ntoken = "hunter2"\n',
    );
    await setup({ HOME: path('home') });
    expect(await read('cargo/config.toml')).toBe('[registries.mine]\nindex = "sparse+https://crates.example/"\n');
  });

  it('are carried over for go', async () => {
    await home('.config/go/env', 'GOPROXY=https://modules.example\nGOPRIVATE=git.example/*\nGOINSECURE=*\n');
    const { env } = await setup({ HOME: path('home'), GOPRIVATE: 'mine.example' });
    expect(env).toMatchObject({ GOPROXY: 'https://modules.example' });
    expect(env).not.toHaveProperty('GOPRIVATE');
    expect(env).not.toHaveProperty('GOINSECURE');
  });

  it('are never needed', async () => {
    const { env } = await setup({ HOME: path('nowhere') });
    expect(env).not.toHaveProperty('GOPROXY');
    expect(env).not.toHaveProperty('PIP_INDEX_URL');
  });
});

describe('git', () => {
  it('keeps settings that the host passes by variables, except those that undo ours', async () => {
    const hostEnv = {
      GIT_CONFIG_COUNT: '4',
      GIT_CONFIG_KEY_0: 'user.name',
      GIT_CONFIG_VALUE_0: 'Somebody',
      GIT_CONFIG_KEY_1: 'http.https://git.example/.sslVerify',
      GIT_CONFIG_VALUE_1: 'false',
      GIT_CONFIG_KEY_2: 'http.proxy',
      GIT_CONFIG_VALUE_2: '',
      GIT_CONFIG_KEY_3: 'remote.origin.proxy',
      GIT_CONFIG_VALUE_3: '',
      GIT_CONFIG_KEY_9: 'http.sslVerify',
      GIT_CONFIG_VALUE_9: 'false',
    };
    const env = applyClientSetup(hostEnv, await setup(hostEnv));
    const settings = Array.from({ length: Number(env.GIT_CONFIG_COUNT) }, (_, i) => [
      env[`GIT_CONFIG_KEY_${i}`],
      env[`GIT_CONFIG_VALUE_${i}`],
    ]);
    expect(settings).toEqual([
      ['user.name', 'Somebody'],
      ['http.proxy', relay],
      ['http.proxyAuthMethod', 'basic'],
      ['http.sslVerify', 'true'],
      ['http.sslCAInfo', path('s', 'ca-bundle.pem')],
    ]);
    expect(env).not.toHaveProperty('GIT_CONFIG_KEY_9');
  });

  it.each(['x', '-5', '1e9', 'NaN', ''])('does not trip over a count of %j', async (count) => {
    expect((await setup({ GIT_CONFIG_COUNT: count })).env.GIT_CONFIG_COUNT).toBe('4');
  });
});

describe('java', () => {
  it('keeps options of the host, except those that undo ours', async () => {
    const hostEnv = {
      JAVA_TOOL_OPTIONS: '-Xmx1g -Dhttps.proxyHost=corp.example "-Dx=a b" -Djavax.net.ssl.trustStore=/x',
      MAVEN_OPTS: '-Xss2m -Dhttp.nonProxyHosts=*',
      _JAVA_OPTIONS: '-Djdk.http.auth.tunneling.disabledSchemes=Basic',
    };
    const env = applyClientSetup(hostEnv, await setup(hostEnv));
    expect(env.JAVA_TOOL_OPTIONS).toMatch(/^-Xmx1g "-Dx=a b" -Djavax\.net\.ssl\.trustStore=\S+trust\.p12 /);
    expect(env.JAVA_TOOL_OPTIONS).not.toContain('corp.example');
    expect(env.JAVA_TOOL_OPTIONS).toContain(' -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128 ');
    expect(env.JAVA_TOOL_OPTIONS).toContain(' -Dhttp.nonProxyHosts= ');
    expect(env.MAVEN_OPTS).toBe('-Xss2m');
    expect(env._JAVA_OPTIONS).toBe('');
  });

  it('quotes paths with blanks', async () => {
    const { env } = await setup({}, { pathInside: '/a b' });
    expect(env.JAVA_TOOL_OPTIONS).toContain('"-Djavax.net.ssl.trustStore=/a b/java/trust.p12"');
  });
});

describe('go', () => {
  it('keeps flags of the host', async () => {
    expect((await setup({ GOFLAGS: '-mod=vendor -modcacherw' })).env.GOFLAGS).toBe('-mod=vendor -modcacherw');
    expect((await setup()).env.GOFLAGS).toBe('-modcacherw');
  });
});
