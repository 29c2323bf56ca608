import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLeafIssuer, createRootCa } from '@waybill/ca';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyClientSetup, createClientSetup } from '../src/index.js';
import { type InterceptingProxy, startInterceptingProxy } from './intercepting-proxy.js';
import { isInstalled, run } from './programs.js';
import { javaProgram, pagesOf, proxiedClients } from './proxied-clients.js';

const isCi = process.env.WAYBILL_CI === '1';
const clients = proxiedClients.filter(
  ({ programs, isRequired }) => (isRequired && isCi) || programs.every(isInstalled),
);

/** Signed by the session's CA, and by a root that only the host's bundle has. */
const [sessionHost, corporateHost] = ['registry.example', 'corporate.example'];
const credentials = 'session:tok-en~1';

let dir: string;
let open: InterceptingProxy;
let guarded: InterceptingProxy;
let hostEnv: Record<string, string>;
let openEnv: Record<string, string>;
let guardedEnv: Record<string, string>;
let strangerEnv: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill clients ')); // the blank is on purpose
  const [session, corporate, stranger] = [await createRootCa(), await createRootCa(), await createRootCa()];
  const issuers = { session: createLeafIssuer({ root: session }), corporate: createLeafIssuer({ root: corporate }) };
  const issuerFor = (host: string) => (host === corporateHost ? issuers.corporate : issuers.session);
  const pages = { ...pagesOf(sessionHost), ...pagesOf(corporateHost) };
  open = await startInterceptingProxy({ issuerFor, pages });
  guarded = await startInterceptingProxy({ issuerFor, pages, credentials });
  await writeFile(join(dir, 'corporate.pem'), corporate.certificatePem);
  await writeFile(join(dir, 'Client.java'), javaProgram);
  hostEnv = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    LANG: 'C.UTF-8',
    SSL_CERT_FILE: join(dir, 'corporate.pem'),
    NODE_EXTRA_CA_CERTS: join(dir, 'corporate.pem'),
    // Everything that would lead around the session.
    NO_PROXY: '*',
    no_proxy: '*',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    npm_config_noproxy: '*',
    npm_config_https_proxy: 'http://127.0.0.1:9',
    PIP_PROXY: 'http://127.0.0.1:9',
    CARGO_HTTP_PROXY: 'http://127.0.0.1:9',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.proxy',
    GIT_CONFIG_VALUE_0: 'http://127.0.0.1:9',
    _JAVA_OPTIONS: '-Dhttps.proxyPort=9 -Dhttp.nonProxyHosts=*',
    GIT_TERMINAL_PROMPT: '0',
  };
  const prepare = async (name: string, proxyUrl: string, caPem: string) =>
    applyClientSetup(hostEnv, await createClientSetup({ proxyUrl, caPem, dir: join(dir, name), hostEnv }));
  openEnv = await prepare('open', `http://127.0.0.1:${open.port}`, session.certificatePem);
  guardedEnv = await prepare('guarded', `http://${credentials}@127.0.0.1:${guarded.port}`, session.certificatePem);
  strangerEnv = await prepare('stranger', `http://127.0.0.1:${open.port}`, stranger.certificatePem);
});

afterAll(async () => {
  open.close();
  guarded.close();
  await rm(dir, { recursive: true });
});

beforeEach(() => {
  open.seen.length = 0;
  guarded.seen.length = 0;
});

describe.each(clients)('$name', ({ command, requests, output, takesCredentials }) => {
  it.each([
    ["trusts the session's CA", sessionHost],
    ["still trusts the system's roots", corporateHost],
  ])('uses the proxy and %s', async (_what, host) => {
    const outcome = await run(command(host, dir), openEnv, dir);
    expect(outcome).toEqual({ code: 0, output: expect.stringMatching(output) });
    expect(open.seen).toEqual(expect.arrayContaining([...requests(host)]));
  });

  it('trusts nobody else', async () => {
    const outcome = await run(command(sessionHost, dir), strangerEnv, dir);
    expect(outcome.output).not.toMatch(output);
    expect(open.seen.filter((request) => request.includes('https:'))).toEqual([]);
  });

  it(`${takesCredentials ? 'sends' : 'would need a relay to send'} credentials of the proxy`, async () => {
    const outcome = await run(command(sessionHost, dir), guardedEnv, dir);
    expect(output.test(outcome.output)).toBe(takesCredentials);
    expect(guarded.seen.length > 0).toBe(takesCredentials);
  });
});

describe('what clients leave behind', () => {
  it('npm keeps its cache in the session', async () => {
    await run(['npm', 'view', 'demo', `--registry=https://${sessionHost}/`], openEnv, dir);
    expect(await readdir(join(dir, 'open', 'npm', 'cache'))).toContain('_cacache');
  });
});

if (isInstalled('keytool')) {
  describe('keytool', () => {
    it.each([[[]], [['-storetype', 'JKS']]])('reads the trust store and finds its digest right (%j)', async (type) => {
      const list = [
        '-list',
        '-keystore',
        join(dir, 'open', 'java/trust.jks'),
        '-storepass',
        'changeit',
        ...type,
      ] as const;
      const outcome = await run(['keytool', ...list], { PATH: hostEnv.PATH ?? '' }, dir);
      expect(outcome.code).toBe(0);
      expect(outcome.output).toContain('contains 2 entries');
      const wrong = await run(
        ['keytool', '-list', '-keystore', list[2], '-storepass', 'wrongpass'],
        { PATH: hostEnv.PATH ?? '' },
        dir,
      );
      expect(wrong.output).toContain('password was incorrect');
    });
  });
}

if (isInstalled('apt-config')) {
  describe('apt-config', () => {
    it('shows our settings after whatever the host says', async () => {
      const { output } = await run(['apt-config', 'dump'], openEnv, dir);
      expect(output).toContain(`Acquire::http::Proxy "http://127.0.0.1:${open.port}";`);
      expect(output).toContain(`Acquire::https::CAInfo "${join(dir, 'open', 'ca-bundle.pem')}";`);
      expect(output).toContain('APT::Sandbox::User "root";');
    });

    it('clears exceptions for single hosts', async () => {
      await writeFile(
        join(dir, 'open', 'apt/conf.d/50direct'),
        'Acquire::https::Proxy::registry.example "DIRECT";\nAcquire::https::registry.example::Verify-Peer "false";\n',
      );
      const { output } = await run(['apt-config', 'dump'], openEnv, dir);
      expect(output).not.toContain('registry.example');
      await rm(join(dir, 'open', 'apt/conf.d/50direct'));
    });
  });
}
