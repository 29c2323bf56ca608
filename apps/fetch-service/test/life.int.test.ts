import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRootCa } from '@waybill/ca';
import { mustRun, runProgram, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorkplace, fetchctlFile, loopbackAcl, sessionOf, type Workplace } from './daemon.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;

const body = Buffer.alloc(300_000, 'waybill');
const sha256 = createHash('sha256').update(body).digest('hex');

beforeEach(async () => {
  upstream = await startHttpsUpstream((_request, response) => void response.end(body));
  workplace = await createWorkplace({
    'acl.yaml': loopbackAcl,
    'inspectors.yaml': `generic: {files: [{url: "${upstream.url}/**", sha256: ${sha256}}]}\n`,
  });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
});

const start = (...args: string[]) =>
  workplace.start({ args: [`--upstream-ca=${workplace.path('upstream.pem')}`, ...args] });

describe('kill -9', () => {
  it('loses nothing that a client completed, and the session goes on', async () => {
    const first = await start();
    const session = await first.create({
      secrets: [{ type: 'macaroon', url: `${upstream.url}/private/**`, 'macaroon-credentials': 'very-secret' }],
    });
    expect((await session.curl(`${upstream.url}/one`)).status).toBe(200);
    expect((await session.curl(`${upstream.url}/private/two`)).status).toBe(200);
    expect(upstream.requests.map((request) => request.header('authorization'))).toEqual([
      undefined,
      'macaroon very-secret',
    ]);
    const underway = session.curl(`${upstream.url}/three`);
    first.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    const completed = (await underway).status === 200 && (await underway).code === 0;

    const second = await start();
    expect(second.output().stdout).toContain('1 taken over');
    const again = sessionOf(session, { runtime: second.runtime, caFile: second.runtime['ca-file'], call: second.call });
    expect((await again.curl(`${upstream.url}/four`)).status).toBe(200);
    // The secret lived in memory: without it the request is refused rather than sent bare.
    expect((await again.curl(`${upstream.url}/private/five`)).status).not.toBe(200);
    expect((await again.revoke()).status).toBe(200);
    const report = await again.report();
    const urls = report.artifacts.flatMap(({ downloads }) => downloads.map(({ url }) => new URL(url).pathname)).sort();
    expect(urls.filter((path) => path !== '/three')).toEqual(['/four', '/one', '/private/two']);
    if (completed) expect(urls).toContain('/three');
    expect(report.artifacts[0]?.metadata.sha256).toBe(sha256);
    expect([...report.refusals, ...report.failures].map(({ url }) => new URL(url).pathname)).toContain('/private/five');
    expect(JSON.stringify(report)).not.toContain('very-secret');
    for (const daemon of [first, second]) expect(JSON.stringify(daemon.output())).not.toMatch(/very-secret/);
  });

  it('keeps a revoked session revoked', async () => {
    const first = await start();
    const session = await first.create();
    await session.revoke();
    first.kill('SIGKILL');
    await first.ended;
    const second = await start();
    const again = sessionOf(session, { runtime: second.runtime, caFile: second.runtime['ca-file'], call: second.call });
    expect((await again.curl(`${upstream.url}/x`)).code).not.toBe(0);
    expect((await again.report()).state).toBe('revoked');
  });
});

describe('revocation', () => {
  it('stops a download in an open tunnel', async () => {
    upstream.handle(async (_request, response) => {
      response.writeHead(200, { 'content-length': body.length });
      for (let at = 0; at < body.length; at += 1000) {
        response.write(body.subarray(at, at + 1000));
        await sleep(20);
      }
      response.end();
    });
    const daemon = await start('--permissive-mode');
    const session = await daemon.create({ policy: 'permissive' });
    const download = session.curl(`${upstream.url}/slow`);
    await sleep(1000);
    const before = Date.now();
    expect((await session.revoke()).status).toBe(200);
    const { code, stdout } = await download;
    expect(Date.now() - before).toBeLessThan(3000);
    expect(code).not.toBe(0);
    expect(stdout.length).toBeLessThan(body.length);
    const report = await session.report();
    expect(report.artifacts).toEqual([]);
    expect(report.failures).toHaveLength(1);
  });
});

describe('time', () => {
  it('ends a session and keeps its report until resources are deleted', async () => {
    const daemon = await start();
    const session = await daemon.create({ timeout: 3 });
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
    while ((await session.report().catch(() => undefined))?.state !== 'expired') await sleep(100);
    expect((await session.curl(`${upstream.url}/x`)).code).not.toBe(0);
    expect(await session.report()).toMatchObject({ state: 'expired', artifacts: [{ metadata: { sha256 } }] });
    expect((await daemon.call('DELETE', `/resources/${session.id}`)).status).toBe(200);
    expect((await daemon.call('GET', `/session/${session.id}`)).status).toBe(404);
  });

  it('stops an idle daemon, and one with sessions only after they ended', async () => {
    const daemon = await start('--idle-shutdown=1');
    const session = await daemon.create();
    await sleep(2500);
    expect(daemon.child.exitCode).toBeNull();
    await session.revoke();
    expect((await daemon.call('DELETE', `/session/${session.id}`)).status).toBe(200);
    expect(await daemon.ended).toBe(0);
    await expect(stat(workplace.path('runtime.json'))).rejects.toThrow();
    await expect(stat(workplace.path('fetchctl.socket'))).rejects.toThrow();
  });
});

describe('signals', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const)('%s stops with %d and keeps sessions', async (signal, code) => {
    const first = await start();
    const session = await first.create();
    first.kill(signal);
    expect(await first.ended).toBe(code);
    const second = await start();
    const again = sessionOf(session, { runtime: second.runtime, caFile: second.runtime['ca-file'], call: second.call });
    expect((await again.curl(`${upstream.url}/x`)).status).toBe(200);
  });

  it('SIGUSR1 opens log files anew', async () => {
    const log = workplace.path('logs/service.log');
    const security = workplace.path('logs/security.log');
    const daemon = await start(`--log-file=${log}`, `--security-log-file=${security}`);
    await rename(log, `${log}.1`);
    await rename(security, `${security}.1`);
    daemon.kill('SIGUSR1');
    await until(() =>
      stat(log).then(
        () => true,
        () => false,
      ),
    );
    const { id, token } = await daemon.create();
    expect(await readFile(log, 'utf8')).toContain('create strict session');
    expect(await readFile(`${log}.1`, 'utf8')).toContain('started');
    const events = (await readFile(security, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(expect.arrayContaining(['authn_login_success:craft', `authn_token_created:${id}`]));
    expect((await readFile(log, 'utf8')) + (await readFile(security, 'utf8'))).not.toContain(token);
    expect(daemon.output().stderr).not.toContain('Debugger');
  });

  it('SIGHUP takes a new root certificate without a restart', async () => {
    const [certFile, keyFile] = [workplace.path('ca.pem'), workplace.path('ca.key')];
    const write = async (name: string) => {
      const root = await createRootCa({ commonName: name });
      await writeFile(keyFile, root.keyPem, { mode: 0o600 });
      await writeFile(certFile, root.certificatePem);
    };
    await write('first');
    const daemon = await start(`--cert=${certFile}`, `--key=${keyFile}`);
    await write('second');
    daemon.kill('SIGHUP');
    const current = async () => (await fetch(`${daemon.runtime['control-url']}/ca.pem`)).text();
    await until(async () => (await current()).trim() === (await readFile(certFile, 'utf8')).trim());
    const session = sessionOf(await daemon.create(), { runtime: daemon.runtime, caFile: certFile, call: daemon.call });
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
    await writeFile(keyFile, 'nothing');
    daemon.kill('SIGHUP');
    await until(async () => daemon.output().stderr.includes('the earlier one stays'));
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
  });
});

describe('the runtime file', () => {
  it('says where the daemon is, to its user alone', async () => {
    const daemon = await start();
    expect((await stat(workplace.path('runtime.json'))).mode & 0o777).toBe(0o600);
    expect(daemon.runtime).toMatchObject({ pid: daemon.child.pid, auth: 'craft:craft', permissive: false });
    expect(await (await fetch(`${daemon.runtime['control-url']}/healthz`)).text()).toBe('ok\n');
    for (const text of [daemon.runtime['control-url'], daemon.runtime['proxy-url'], daemon.runtime['ca-sha256']]) {
      expect(daemon.output().stdout).toContain(text);
    }
    expect(daemon.output().stdout).not.toContain('craft:craft');
  });
});

describe('what keeps the daemon from starting', () => {
  async function refused(...args: string[]): Promise<string> {
    const { code, stderr } = await workplace.run([
      '--control-port=0',
      '--proxy-port=0',
      '--control-host=127.0.0.1',
      '--proxy-host=127.0.0.1',
      ...args,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: /);
    await expect(stat(workplace.path('runtime.json'))).rejects.toThrow();
    return stderr;
  }

  it('a port in use, named with what to do, also where the log is', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    const log = workplace.path('service.log');
    expect(await refused(`--control-port=${port}`, `--log-file=${log}`)).toMatch(
      new RegExp(`^error: port ${port} of the control API: address already in use\n.*--control-port`),
    );
    expect(await readFile(log, 'utf8')).toMatch(/ERROR: .*address already in use/);
    expect(await refused(`--proxy-port=${port}`)).toMatch(
      new RegExp(`^error: port ${port} of the proxy: address already in use\n.*--proxy-port`),
    );
    server.close();
  });

  it('a spool that cannot be written', async () => {
    await writeFile(workplace.path('file'), '');
    expect(await refused(`--spool=${workplace.path('file')}`)).toMatch(
      /the spool .*\/file cannot be written: [\s\S]*--spool=DIR/,
    );
    expect(await refused('--spool=/proc/nothing')).toMatch(/the spool \/proc\/nothing cannot be written/);
  });

  it('a spool in use', async () => {
    await start();
    const { code, stderr } = await workplace.run([
      '--control-port=0',
      '--proxy-port=0',
      `--socket=${workplace.path('other.socket')}`,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: the spool .* is in use by another fetch-service\n/);
  });

  it('a control socket in use', async () => {
    await start();
    const { code, stderr } = await workplace.run([
      '--control-port=0',
      '--proxy-port=0',
      `--spool=${workplace.path('other')}`,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: another fetch-service answers on .*fetchctl\.socket\n.*--socket=PATH/);
  });

  it('no configuration, or a bad one with its place', async () => {
    expect(await refused(`--config=${workplace.path('none')}`)).toMatch(
      /inspectors\.yaml does not exist[\s\S]*fetch-service config init/,
    );
    await writeFile(workplace.path('conf/inspectors.yaml'), 'git:\n  urls: 7\n');
    expect(await refused()).toMatch(/conf\/inspectors\.yaml:2:3: git\.urls: expected array/);
    await writeFile(workplace.path('conf/inspectors.yaml'), '');
    await writeFile(workplace.path('conf/acl.yaml'), 'http-proxy:\n  rules: [{dst: [x], access: allow}]\n');
    expect(await refused()).toMatch(/conf\/acl\.yaml:2:\d+: http-proxy\.rules\[0\]\.dst\[0\]: /);
  });

  it('a key that others can read, a key of another certificate, a certificate that is none', async () => {
    const [one, two] = [await createRootCa(), await createRootCa()];
    await writeFile(workplace.path('ca.pem'), one.certificatePem);
    await writeFile(workplace.path('ca.key'), one.keyPem);
    await chmod(workplace.path('ca.key'), 0o644);
    const chosen = [`--cert=${workplace.path('ca.pem')}`, `--key=${workplace.path('ca.key')}`];
    expect(await refused(...chosen)).toMatch(/can be read by others \(mode 0?644\)[\s\S]*chmod 600/);
    await writeFile(workplace.path('ca.key'), two.keyPem);
    await chmod(workplace.path('ca.key'), 0o600);
    expect(await refused(...chosen)).toMatch(/is not the key of/);
    await writeFile(workplace.path('ca.pem'), 'nothing');
    expect(await refused(...chosen)).toMatch(/holds no PEM certificate/);
  });

  it('a database of a newer version', async () => {
    const daemon = await start();
    daemon.kill('SIGTERM');
    await daemon.ended;
    const script = `new (require('node:sqlite').DatabaseSync)(process.argv[1]).exec("insert into waybill_migrations select max(made) + 1000000, 'x', 1 from waybill_migrations")`;
    await mustRun(process.execPath, ['-e', script, workplace.path('spool/.waybill/sessions.db')]);
    expect(await refused()).toMatch(/written by a newer version/);
  });

  it('no credentials', async () => {
    const { code, stderr } = await workplace.run([], { FETCH_SERVICE_AUTH: '' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: the environment variable FETCH_SERVICE_AUTH is not set\n/);
  });

  it('roots for upstreams that cannot be read', async () => {
    expect(await refused('--upstream-ca=/nowhere.pem')).toMatch(/--upstream-ca \/nowhere\.pem cannot be read/);
  });

  it('a log file that cannot be opened', async () => {
    await mkdir(workplace.path('log'));
    expect(await refused(`--log-file=${workplace.path('log')}`)).toMatch(/the log file .* cannot be opened/);
  });
});

describe('fetchctl', () => {
  const ctl = (...args: string[]) =>
    runProgram(process.execPath, [fetchctlFile, `--socket=${workplace.path('fetchctl.socket')}`, ...args]);

  it('creates sessions and lists what they downloaded, before they end', async () => {
    const daemon = await start();
    expect((await ctl('version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const token = 'A'.repeat(24);
    const created = await ctl(
      'create-session',
      '--session-id=mine',
      `--token=${token}`,
      '--timeout',
      '600',
      '--permissive',
    );
    expect(created.stdout).toBe(`session mine:${token} created (strict)\n`);
    const session = sessionOf(
      { id: 'mine', token },
      { runtime: daemon.runtime, caFile: daemon.runtime['ca-file'], call: daemon.call },
    );
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
    const listed = await ctl('list-artifacts', '--session-id=mine');
    expect(JSON.parse(listed.stdout)).toMatchObject([{ result: 'Approved', metadata: { sha256 } }]);
    const unknown = await ctl('list-artifacts', '--session-id=other');
    expect([unknown.code, unknown.stderr]).toEqual([1, 'error: session does not exist\n']);
  });

  it('changes the access list at once and the inspectors for new sessions', async () => {
    const daemon = await start();
    const session = await daemon.create();
    await writeFile(workplace.path('deny.yaml'), 'http-proxy: {policy: deny}\n');
    expect((await ctl('update-config', '--type=acl', '--validate-only', workplace.path('deny.yaml'))).stdout).toBe(
      'configuration validated\n',
    );
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
    expect((await ctl('update-config', '--type=acl', workplace.path('deny.yaml'))).stdout).toBe(
      'configuration updated\n',
    );
    // Another URL: what the session has already is given again without a connection.
    expect((await session.curl(`${upstream.url}/y`)).status).toBe(403);
    expect(await readFile(workplace.path('conf/acl.yaml'), 'utf8')).toBe('http-proxy: {policy: deny}\n');
    const allow = await runProgram(
      process.execPath,
      [fetchctlFile, `--socket=${workplace.path('fetchctl.socket')}`, 'update-config', '--type=acl', '-'],
      { input: loopbackAcl },
    );
    expect(allow.stdout).toBe('configuration updated\n');

    await writeFile(workplace.path('none.yaml'), 'git: {urls: []}\n');
    expect((await ctl('update-config', '--type=inspectors', workplace.path('none.yaml'))).code).toBe(0);
    expect((await session.curl(`${upstream.url}/x`)).status).toBe(200);
    expect((await (await daemon.create()).curl(`${upstream.url}/x`)).status).toBe(403);
    await writeFile(workplace.path('bad.yaml'), 'git: {urls: 7}\n');
    const bad = await ctl('update-config', '--type=inspectors', workplace.path('bad.yaml'));
    expect([bad.code, bad.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: inspectors configuration update error: inspectors\.yaml:1:7: git\.urls: /),
    ]);
    expect(await readFile(workplace.path('conf/inspectors.yaml'), 'utf8')).toBe('git: {urls: []}\n');
  });

  it('replaces the root certificate', async () => {
    const daemon = await start();
    const root = await createRootCa({ commonName: 'another' });
    await writeFile(workplace.path('pair.pem'), `${root.certificatePem}\n${root.keyPem}`);
    expect((await ctl('update-cert', '--validate-only', workplace.path('pair.pem'))).stdout).toBe(
      'certificate validated\n',
    );
    expect((await ctl('update-cert', workplace.path('pair.pem'))).stdout).toBe('proxy certificate updated\n');
    expect((await (await daemon.create()).curl(`${upstream.url}/x`)).status).toBe(200);
    expect(await readFile(daemon.runtime['ca-file'], 'utf8')).toContain(root.certificatePem.trim());
    const other = await createRootCa();
    await writeFile(workplace.path('pair.pem'), `${root.certificatePem}\n${other.keyPem}`);
    const bad = await ctl('update-cert', workplace.path('pair.pem'));
    expect([bad.code, bad.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: certificate update error: .*is not the key of/),
    ]);
    expect((await (await daemon.create()).curl(`${upstream.url}/x`)).status).toBe(200);
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 50) {
    if (waited > 10_000) throw new Error('did not happen in ten seconds');
    await sleep(50);
  }
}
