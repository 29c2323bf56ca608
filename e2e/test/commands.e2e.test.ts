import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HttpUpstream, startHttpUpstream } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { allowLoopback, binDir, type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { type Ran, run } from './harness/run.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';

/** Every command of `fetch-service` and `fetchctl` at least once, as launched from anywhere. */
const keep = keepForFile();
let upstream: HttpUpstream;
let daemon: Daemon;
let files: TempDir;

beforeAll(async () => {
  files = keep(await createTempDir());
  upstream = keep(await startHttpUpstream((_request, response) => void response.end('file')));
  const listed = [{ url: `${upstream.url}/**`, sha256: sha256('file') }];
  daemon = keep(await startDaemon({ inspectors: { generic: { files: listed } } }));
});

const fetchctl = (args: readonly string[], input?: string): Promise<Ran> =>
  run(join(binDir, 'fetchctl'), [`--socket=${daemon.dir}/run/fetchctl.socket`, ...args], { cwd: files.path, input });
const service = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  run(join(binDir, 'fetch-service'), args, { cwd: files.path, env });

async function put(name: string, text: string): Promise<string> {
  await writeFile(files.at(name), text);
  return name;
}

describe('fetchctl', () => {
  it('version', async () => {
    const { stdout, code } = await fetchctl(['version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await service(['--version'])).stdout).toBe(stdout);
  });

  it('env prepares a client that then uses the session', async () => {
    const place = ['--proxy', daemon.runtime['proxy-url'], '--ca', daemon.runtime['ca-file']];
    const created = await fetchctl(['create-session']);
    const prepared = await fetchctl(['env', '-', '--dir', files.at('clients'), ...place], created.stdout);
    expect(prepared, prepared.stderr).toMatchObject({ code: 0 });
    const script = `eval "$ENV"; curl --silent --show-error ${upstream.url}/env`;
    const { code, stdout } = await run('sh', ['-euc', script], { env: { ENV: prepared.stdout } });
    expect([code, stdout]).toEqual([0, 'file']);
  });

  it('create-session and list-artifacts, before the session is over', async () => {
    const sections = await put(
      'sections.yaml',
      `generic:\n  files:\n    - url: ${upstream.url}/mine\n      sha256: ${sha256('file')}\n`,
    );
    const token = 'T'.repeat(24);
    const created = await fetchctl([
      'create-session',
      '--session-id=mine',
      `--token=${token}`,
      '--timeout=600',
      sections,
    ]);
    expect(created).toMatchObject({ code: 0, stdout: `session mine:${token} created (strict)\n` });
    const { 'proxy-url': proxyOrigin, 'ca-file': caFile } = daemon.runtime;
    const session = { id: 'mine', token, proxyOrigin, caFile };
    expect(await curl(session, `${upstream.url}/mine`)).toMatchObject({ status: 200 });
    expect(await curl(session, `${upstream.url}/other`)).toMatchObject({ status: 403 });
    const listed = await fetchctl(['list-artifacts', '--session-id=mine']);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ result: 'Approved', metadata: { sha256: sha256('file') } }]);
    const permissive = await fetchctl(['create-session', '--permissive']);
    expect(permissive.stdout).toMatch(/^session [0-9a-f]{32}:[A-Za-z0-9]{20,} created \(permissive\)\n$/);
  });

  it('update-config: acl at once, inspectors for new sessions', async () => {
    const session = await daemon.createSession('strict');
    const url = `${upstream.url}/file`;
    const deny = await put('deny.yaml', 'http-proxy: {policy: deny}\n');
    expect((await fetchctl(['update-config', '--type=acl', '--validate-only', deny])).stdout).toBe(
      'configuration validated\n',
    );
    expect(await curl(session, url)).toMatchObject({ status: 200 });
    expect((await fetchctl(['update-config', '--type=acl', deny])).stdout).toBe('configuration updated\n');
    expect(await curl(session, url)).toMatchObject({ status: 403, text: expect.stringMatching(/^Access denied/) });
    expect((await fetchctl(['update-config', '--type=acl', '-'], allowLoopback)).code).toBe(0);
    expect(await curl(session, url)).toMatchObject({ status: 200 });

    const before = await readFile(join(daemon.dir, 'config', 'inspectors.yaml'), 'utf8');
    expect((await fetchctl(['update-config', '--type=inspectors', '-'], '{}\n')).code).toBe(0);
    expect(await curl(session, url)).toMatchObject({ status: 200 });
    expect(await curl(await daemon.createSession('strict'), url)).toMatchObject({ status: 403 });
    expect((await fetchctl(['update-config', '--type=inspectors', '-'], before)).code).toBe(0);
    expect((await readFile(join(daemon.dir, 'config', 'inspectors.yaml'), 'utf8')).trim()).toBe(before.trim());
  });

  it('update-cert', async () => {
    const [certificate, key] = [files.at('root.pem'), files.at('root.key')];
    const made = await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=Another root'],
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', key, '-out', certificate],
    ]);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const pem = await readFile(certificate, 'utf8');
    const pair = await put('pair.pem', `${pem}\n${await readFile(key, 'utf8')}`);
    expect((await fetchctl(['update-cert', '--validate-only', pair])).stdout).toBe('certificate validated\n');
    expect((await fetchctl(['update-cert', pair])).stdout).toBe('proxy certificate updated\n');
    const served = await fetch(`${daemon.runtime['control-url']}/ca.pem`);
    expect((await served.text()).trim()).toBe(pem.trim());
    // No TLS there; that curl gets to hear of it in a tunnel is what the new root is good for.
    const session = await daemon.createSession('permissive');
    expect(await curl(session, `https://localhost:${upstream.port}/`)).toMatchObject({ code: 0, status: 502 });
  });

  it.each([
    [
      'a configuration that cannot be',
      ['update-config', '--type=acl', '-'],
      'http-proxy: 7\n',
      /^error: acl configuration update error: acl\.yaml:1:\d+: /,
    ],
    ['a file that is not there', ['update-cert', 'nowhere.pem'], '', /^error: nowhere\.pem cannot be read/],
    ['no certificate', ['update-cert', '-'], 'nothing', /^error: certificate update error: .*found no certificate/],
    ['an unknown session', ['list-artifacts', '--session-id=none'], '', /^error: session does not exist\n$/],
    ['an unknown command', ['frobnicate'], '', /unknown command 'frobnicate'/],
  ])('%s: exit code 1', async (_name, args, input, message) => {
    const ran = await fetchctl(args, input);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(message);
  });

  it('no daemon', async () => {
    const ran = await run(join(binDir, 'fetchctl'), [`--socket=${files.at('no.socket')}`, 'version']);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^error: .*no\.socket/);
  });
});

describe('fetch-service', () => {
  it('--help', async () => {
    const { stdout, code } = await service(['--help']);
    expect(code).toBe(0);
    for (const word of ['--idle-shutdown', 'config init', 'FETCH_SERVICE_AUTH', 'Exit codes', 'Examples:']) {
      expect(stdout).toContain(word);
    }
  });

  it('config init: what npm and git are configured for, and config check of it', async () => {
    await put('npmrc', 'registry=https://registry.example/npm/\n@team:registry=https://team.registry.example/\n');
    const env = { HOME: files.path, npm_config_userconfig: files.at('npmrc'), npm_config_cache: files.at('cache') };
    const made = await service(
      ['config', 'init', '--output=conf', '--npm', '--git-url=https://git.example/team/'],
      env,
    );
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const text = await readFile(files.at('conf', 'inspectors.yaml'), 'utf8');
    for (const url of ['https://registry.example/npm/', 'https://team.registry.example/', 'git.example']) {
      expect(text).toContain(url);
    }
    expect(await service(['config', 'check', 'conf'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('valid'),
    });
    const again = await service(['config', 'init', '--output=conf', '--npm'], env);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/^error: .*--force/s);
    expect(await readFile(files.at('conf', 'inspectors.yaml'), 'utf8')).toBe(text);
  });

  it('config check: says the place', async () => {
    const ran = await service(['config', 'check', await put('bad.yaml', 'npm:\n  registries: 7\n')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/bad\.yaml:2:3: npm\.registries: /);
  });
});

describe('the life of the daemon', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('%s: stops with %d, leaves neither socket nor runtime file, and sessions go on', async (signal, code) => {
    const mine = keepForTest(await startDaemon());
    const session = await mine.createSession('strict');
    expect(await mine.kill(signal)).toBe(code);
    expect(existsSync(join(mine.dir, 'run', 'fetchctl.socket'))).toBe(false);
    expect(existsSync(join(mine.dir, 'run', 'fetch-service.json'))).toBe(false);
    await mine.start();
    expect((await session.finish()).state).toBe('revoked');
  });

  it('--idle-shutdown: not while a session is live, soon after it has ended', async () => {
    const mine = keepForTest(await startDaemon({ args: ['--idle-shutdown=1'] }));
    const session = await mine.createSession('strict', { timeout: 2 });
    const created = Date.now();
    expect(await mine.exited()).toBe(0);
    // The session alone kept it for two seconds, then a further one had to pass without use.
    expect(Date.now() - created).toBeGreaterThan(2_900);
    await mine.start();
    expect((await session.report()).state).toBe('expired');
  });

  it('the runtime file is for its user alone', async () => {
    const { mode } = await stat(join(daemon.dir, 'run', 'fetch-service.json'));
    expect(mode & 0o777).toBe(0o600);
  });
});
