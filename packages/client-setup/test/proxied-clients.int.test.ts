import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLeafIssuer, createRootCa } from '@waybill/ca';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyClientSetup, type ClientProbe, clientProbes, createClientSetup } from '../src/index.js';
import { type InterceptingProxy, startInterceptingProxy } from './intercepting-proxy.js';
import { isInstalled, type Outcome, run } from './programs.js';

/** Must be there in CI; the others are tried where they exist. */
const required = ['curl', 'wget', 'git', 'node', 'npm', 'python urllib', 'apt', 'gpg (dirmngr)'];
const isCi = process.env.WAYBILL_CI === '1';
const clients = clientProbes.filter(({ name, version }) => (isCi && required.includes(name)) || isInstalled(version));

/** Signed by the session's CA, and by a root that only the host's bundle has. */
const [sessionHost, corporateHost] = ['registry.example', 'corporate.example'];
const credentials = 'session:tok-en~1';

interface Prepared {
  readonly env: Record<string, string>;
  readonly clients: string;
}

let dir: string;
let open: InterceptingProxy;
let guarded: InterceptingProxy;
let hostEnv: Record<string, string>;
let inOpen: Prepared;
let inGuarded: Prepared;
let asStranger: Prepared;
let pages: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill c ')); // the blank is on purpose
  const [session, corporate, stranger] = [await createRootCa(), await createRootCa(), await createRootCa()];
  const issuers = { session: createLeafIssuer({ root: session }), corporate: createLeafIssuer({ root: corporate }) };
  const issuerFor = (host: string) => (host === corporateHost ? issuers.corporate : issuers.session);
  pages = {};
  open = await startInterceptingProxy({ issuerFor, pages });
  guarded = await startInterceptingProxy({ issuerFor, pages, credentials });
  await writeFile(join(dir, 'corporate.pem'), corporate.certificatePem);
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
  const prepare = async (name: string, proxyUrl: string, caPem: string): Promise<Prepared> => {
    const folder = join(dir, name);
    return {
      clients: folder,
      env: applyClientSetup(hostEnv, await createClientSetup({ proxyUrl, caPem, dir: folder, hostEnv })),
    };
  };
  inOpen = await prepare('open', `http://127.0.0.1:${open.port}`, session.certificatePem);
  inGuarded = await prepare('guarded', `http://${credentials}@127.0.0.1:${guarded.port}`, session.certificatePem);
  asStranger = await prepare('stranger', `http://127.0.0.1:${open.port}`, stranger.certificatePem);
});

afterAll(async () => {
  open.close();
  guarded.close();
  await rm(dir, { recursive: true, force: true });
});

beforeEach(() => {
  open.seen.length = 0;
  guarded.seen.length = 0;
});

async function use(probe: ClientProbe, host: string, prepared: Prepared): Promise<Outcome> {
  const work = await mkdtemp(join(dir, 'work '));
  for (const [name, text] of Object.entries(probe.files?.(host) ?? {})) await writeFile(join(work, name), text);
  for (const key of Object.keys(pages)) delete pages[key];
  for (const [path, body] of Object.entries(probe.pages(host)))
    for (const scheme of ['https', 'http']) pages[`${scheme}://${host}${path}`] = body;
  return run(probe.command({ host, dir: work, clients: prepared.clients }), prepared.env, work);
}

describe.each(clients.map((probe) => [probe.name, probe] as const))('%s', (_name, probe) => {
  const own = probe.host ?? sessionHost;
  it.each<readonly [string, string]>([
    ["trusts the session's CA", own],
    ...(probe.host ? [] : [["still trusts the system's roots", corporateHost] as const]),
  ])('uses the proxy and %s', async (_what, host) => {
    const { output } = await use(probe, host, inOpen);
    expect(output).toMatch(probe.output);
    expect(open.seen).toContainEqual(expect.stringContaining(probe.request(host)));
  });

  if (!probe.isPlain) {
    it('trusts nobody else', async () => {
      const { output } = await use(probe, own, asStranger);
      expect(output).not.toMatch(probe.output);
      expect(open.seen.filter((request) => request.includes('https:'))).toEqual([]);
    });
  }

  it(`${probe.takesCredentials ? 'sends' : 'would need a relay to send'} credentials of the proxy`, async () => {
    const { output } = await use(probe, own, inGuarded);
    expect([probe.output.test(output), output]).toEqual([probe.takesCredentials, output]);
    expect(guarded.seen.length > 0).toBe(probe.takesCredentials);
    expect(output).not.toContain('tok-en~1');
  });
});

describe('what clients leave behind', () => {
  it('npm keeps its cache in the session', async () => {
    const npm = clientProbes.find(({ name }) => name === 'npm') as ClientProbe;
    await use(npm, sessionHost, inOpen);
    expect(await readdir(join(dir, 'open', 'npm', 'cache'))).toContain('_cacache');
  });
});

if (isInstalled(['keytool', '-help'])) {
  describe('keytool', () => {
    it.each([[[]], [['-storetype', 'PKCS12']]])(
      'reads the trust store and finds its digest right (%j)',
      async (type) => {
        const store = join(dir, 'open', 'java/trust.p12');
        const list = (password: string) =>
          run(
            ['keytool', '-list', '-keystore', store, '-storepass', password, ...type],
            { PATH: hostEnv.PATH ?? '' },
            dir,
          );
        const outcome = await list('changeit');
        expect(outcome.code).toBe(0);
        expect(outcome.output).toContain('contains 2 entries');
        expect((await list('wrongpass')).output).toMatch(/password was incorrect|integrity check/i);
      },
    );
  });
}

if (isInstalled(['certutil', '-H'])) {
  describe('certutil', () => {
    it("finds the session's CA in the database of NSS, trusted for servers", async () => {
      const { output } = await run(
        ['certutil', '-L', '-d', `sql:${join(dir, 'open', 'nss')}`],
        { PATH: hostEnv.PATH ?? '' },
        dir,
      );
      expect(output).toMatch(/session-0\s+C,,/);
    });
  });
}

if (isInstalled(['apt-config', '--version'])) {
  describe('apt-config', () => {
    it('shows our settings after whatever the host says', async () => {
      const { output } = await run(['apt-config', 'dump'], inOpen.env, dir);
      expect(output).toContain(`Acquire::http::Proxy "http://127.0.0.1:${open.port}";`);
      expect(output).toContain(`Acquire::https::CAInfo "${join(dir, 'open', 'ca-bundle.pem')}";`);
      expect(output).toContain('APT::Sandbox::User "root";');
    });

    it('clears exceptions for single hosts', async () => {
      const parts = join(dir, 'open', 'apt/conf.d');
      await mkdir(parts, { recursive: true });
      await writeFile(
        join(parts, '50direct'),
        'Acquire::https::Proxy::registry.example "DIRECT";\nAcquire::https::registry.example::Verify-Peer "false";\n',
      );
      const { output } = await run(['apt-config', 'dump'], inOpen.env, dir);
      expect(output).not.toContain('registry.example');
      await rm(join(parts, '50direct'));
    });
  });
}
