import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRootCa, type RootCa } from '@waybill/ca';
import { beforeAll, describe, expect, it } from 'vitest';
import { useFolder } from '../test/folder.js';
import { type ClientSetup, createClientSetup } from './create-client-setup.js';

const path = useFolder();
let ca: RootCa;
beforeAll(async () => {
  ca = await createRootCa({ commonName: 'Session CA' });
});

const withToken = 'http://session:tok%26%3Cen@[::1]:3128';
const setup = (hostEnv: NodeJS.ProcessEnv = {}, proxyUrl = withToken, pathInside?: string): Promise<ClientSetup> =>
  createClientSetup({
    proxyUrl,
    caPem: ca.certificatePem,
    dir: path('s'),
    systemRootsPem: '',
    hostEnv,
    ...(pathInside !== undefined && { pathInside }),
  });
const read = (name: string) => readFile(path('s', name), 'utf8');

describe('Java programs', () => {
  it('are given the credentials by a file, because JVMs print their variables', async () => {
    const { env } = await setup({ JDK_JAVA_OPTIONS: '-Xmx1g -Dhttps.proxyPassword=x' });
    expect(env.JAVA_TOOL_OPTIONS).not.toContain('tok');
    expect(env.JDK_JAVA_OPTIONS).toBe(`-Xmx1g @${path('s', 'java/credentials.args')}`);
    expect((await read('java/credentials.args')).split('\n')).toContain('"-Dhttps.proxyPassword=tok&<en"');
    expect((await setup({}, 'http://127.0.0.1:1')).env).not.toHaveProperty('JDK_JAVA_OPTIONS');
  });

  it('Maven: settings of the session, with mirrors and profiles of the user and no secrets', async () => {
    await mkdir(path('home/.m2'), { recursive: true });
    await writeFile(
      path('home/.m2/settings.xml'),
      `<settings><!-- <mirrors><mirror>old</mirror></mirrors> -->
        <mirrors><mirror><id>m</id><url>https://me:hunter2@repo.example/</url><mirrorOf>*</mirrorOf></mirror></mirrors>
        <servers><server><id>m</id><password>hunter2</password></server></servers>
        <proxies><proxy><host>corp.example</host></proxy></proxies>
        <activeProfiles><activeProfile>p</activeProfile></activeProfiles></settings>`,
    );
    const { env } = await setup({ HOME: path('home'), MAVEN_ARGS: '-B -s /mine.xml --settings=/x -q' });
    expect(env.MAVEN_ARGS).toBe(`-B -q --settings=${path('s', 'java/settings.xml')}`);
    const xml = await read('java/settings.xml');
    expect(xml).toContain('<url>https://repo.example/</url>');
    expect(xml).toContain('<activeProfile>p</activeProfile>');
    expect(xml).toContain('<host>::1</host><port>3128</port><username>session</username><password>tok&amp;&lt;en');
    for (const gone of ['hunter2', 'corp.example', 'old']) expect(xml).not.toContain(gone);
  });

  it.each([
    '<mirrors>',
    '</mirrors><mirrors>',
    '<!-- <mirrors></mirrors>',
    `<mirrors>${'x'.repeat(200_000)}</mirrors>`,
  ])('Maven: does not trip over odd settings (%#)', async (text) => {
    await mkdir(path('home/.m2'), { recursive: true });
    await writeFile(path('home/.m2/settings.xml'), text);
    await setup({ HOME: path('home') });
    expect(await read('java/settings.xml')).not.toContain('<mirrors>');
  });

  it('Maven: a folder with blanks is not named in a variable that knows no quotes', async () => {
    expect((await setup({}, withToken, '/a b')).env).not.toHaveProperty('MAVEN_ARGS');
  });

  it('Gradle: a home of the session', async () => {
    const { env } = await setup({ GRADLE_USER_HOME: '/var/cache/gradle' });
    expect(env.GRADLE_USER_HOME).toBe(path('s', 'java/gradle'));
    const lines = (await read('java/gradle/gradle.properties')).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'org.gradle.daemon=false',
        'systemProp.https.proxyHost=::1',
        'systemProp.https.proxyPassword=tok&<en',
        'systemProp.jdk.http.auth.tunneling.disabledSchemes=',
      ]),
    );
  });
});

describe('gpg', () => {
  it('has a home of the session, unless its sockets could not be made there', async () => {
    const { env } = await setup({ GNUPGHOME: '/home/me/.gnupg' }, withToken, '/session');
    expect(env.GNUPGHOME).toBe('/session/gnupg');
    expect(await read('gnupg/dirmngr.conf')).toContain(`hkp-cacert /session/ca-bundle.pem\n`);
    const long = await setup({ GNUPGHOME: '/home/me/.gnupg' }, withToken, `/${'long/'.repeat(20)}`);
    expect(long.env).not.toHaveProperty('GNUPGHOME');
    expect(long.unset).toContain('GNUPGHOME');
  });
});

describe('uv', () => {
  it("has the user's default index, without credentials, unless a variable names one", async () => {
    await mkdir(path('home/.config/uv'), { recursive: true });
    await writeFile(path('home/.config/uv/uv.toml'), 'index-url = "https://me:hunter2@index.example/simple"\n');
    expect((await setup({ HOME: path('home') })).env.UV_DEFAULT_INDEX).toBe('https://index.example/simple');
    const { env } = await setup({ HOME: path('home'), UV_INDEX_URL: 'https://mine.example/' });
    expect(env).not.toHaveProperty('UV_DEFAULT_INDEX');
  });
});

describe('logins of the user', () => {
  it('stay outside', async () => {
    const hostEnv = {
      DOCKER_CONFIG: '/home/me/.docker',
      REGISTRY_AUTH_FILE: '/home/me/auth.json',
      COMPOSER_AUTH: '{}',
      BUNDLE_SSL_VERIFY_MODE: '0',
    };
    const { env, unset } = await setup(hostEnv);
    expect(unset).toEqual(['BUNDLE_SSL_VERIFY_MODE', 'COMPOSER_AUTH']);
    expect(env.REGISTRY_AUTH_FILE).toBe(path('s', 'containers/auth.json'));
    expect(JSON.parse(await read('containers/auth.json'))).toEqual({});
    expect(JSON.parse(await read('containers/docker/config.json'))).toMatchObject({
      proxies: { default: { noProxy: '' } },
    });
  });
});
