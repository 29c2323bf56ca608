import { spawn } from 'node:child_process';
import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHttpUpstream } from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createWorkplace, daemonFile, type RunningDaemon, type Workplace } from './daemon.js';

let place: Workplace;

const configuration = {
  'inspectors.yaml': '',
  'acl.yaml': 'http-proxy: {rules: [{dst: [127.0.0.0/8, "::1"], access: allow}]}\n',
};
beforeEach(async () => {
  place = await createWorkplace(configuration);
});
afterEach(() => place.remove());

/** Sends bytes to the control API and reads what comes until it closes, or for a while. */
async function raw(daemon: RunningDaemon, bytes: string | Buffer, patienceMs = 5_000): Promise<string> {
  const { hostname, port } = new URL(daemon.runtime['control-url']);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(bytes);
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(timer);
  return text;
}

const authorization = `Authorization: Basic ${Buffer.from('craft:craft').toString('base64')}`;
const request = (head: string, body = '', length = Buffer.byteLength(body)) =>
  `${head} HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`;

describe('the daemon itself, asked for through its own proxy', () => {
  it('is not reached under any spelling, although rules allow loopback', async () => {
    const daemon = await place.start({ args: ['--permissive-mode'] });
    const session = await daemon.create({ policy: 'permissive' });
    const ports = ['control-url', 'proxy-url'].map((name) => new URL(daemon.runtime[name as 'control-url']).port);
    const hosts = [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      'localhost',
      'LOCALHOST',
      '0',
      '[::1]',
    ];
    const more = [
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[64:ff9b::127.0.0.1]',
      '[2002:7f00:1::]',
      '127.0.0.1.',
      '0.0.0.0',
    ];
    for (const host of [...hosts, ...more])
      for (const port of ports) {
        const { status, stdout } = await session.curl(`http://${host}:${port}/status`);
        expect([400, 403, 502], `${host}:${port}`).toContain(status);
        expect(stdout).not.toContain('uptime');
      }
  });

  it('nor is anything else at the addresses of its machine, which no rule names', async () => {
    const daemon = await place.start({ args: ['--permissive-mode'] });
    const session = await daemon.create({ policy: 'permissive' });
    const own = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80'));
    for (const { address, family } of own) {
      const upstream = await startHttpUpstream((_request, response) => void response.end('secret'), { address });
      const host = family === 'IPv6' ? `[${address}]` : address;
      const { status, stdout } = await session.curl(`http://${host}:${upstream.port}/`);
      await upstream.close();
      expect([status, stdout]).toEqual([403, expect.stringContaining('this machine itself')]);
      expect(upstream.requests).toEqual([]);
    }
  });
});

describe('the control API', () => {
  let shared: Workplace;
  let daemon: RunningDaemon;
  beforeAll(async () => {
    shared = await createWorkplace(configuration);
    daemon = await shared.start();
  });
  afterAll(() => shared.remove());

  it.each<[string, string, number]>([
    ['a body that is nothing but depth', request('POST /session', `${'['.repeat(200_000)}${']'.repeat(200_000)}`), 400],
    [
      'a configuration that is nothing but depth',
      request('POST /session', `{"inspectors-configuration":${'{"npm":'.repeat(50_000)}1${'}'.repeat(50_000)}}`),
      400,
    ],
    [
      'keys of every object',
      request('POST /session', '{"__proto__":{"policy":"permissive"},"constructor":{"prototype":{}}}'),
      200,
    ],
    [
      'a repository called __proto__',
      request('POST /session', '{"inspectors-configuration":{"apt":{"repositories":{"__proto__":{"urls":[]}}}}}'),
      200,
    ],
    [
      '100 000 keys',
      request('POST /session', `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`).join(',')}}`),
      200,
    ],
    ['a body of 9 MiB', request('POST /session', ' '.repeat(9 << 20)), 413],
    ['a body of a gigabyte, announced', request('POST /session', '', 2 ** 30), 413],
    ['a length that fits no integer', request('POST /session', '', 1e300), 400],
    ['two lengths', 'POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400],
    [
      'a length and chunks',
      'POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a field of 1 MiB', `GET /status HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(1 << 20)}\r\n\r\n`, 431],
    ['a URL of 1 MiB', `GET /${'a'.repeat(1 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['a session id of 10 KB', request(`GET /session/${'a'.repeat(10_000)}`), 414],
    ['a session id that climbs', request('GET /session/..%2f..%2fetc%2fpasswd'), 404],
    ['resources that climb', request('DELETE /resources/..%2f..'), 200],
    ['resources that are hidden', request('DELETE /resources/.waybill'), 200],
    ['garbage', '\x00\x01\x02\r\n\r\n', 400],
  ])('%s: answered, and the daemon lives', async (_name, bytes, status) => {
    const text = await raw(daemon, bytes);
    // Who goes on sending may be cut off before the answer can be read.
    if (text !== '') expect(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])).toBe(status);
    else expect(status).toBeGreaterThanOrEqual(413);
    expect((await daemon.call('GET', '/status')).status).toBe(200);
    expect((await stat(shared.path('spool/.waybill'))).isDirectory()).toBe(true);
    // A polluted prototype would have made it permissive.
    expect(await (await daemon.call('GET', '/status')).text()).not.toContain('permissive');
  });

  it('takes no large bodies of strangers', async () => {
    for (const head of ['DELETE /session/x/token', 'POST /status', 'PUT /metrics']) {
      const body = `{"token":"${'a'.repeat(64 * 1024)}"}`;
      const text = await raw(
        daemon,
        `${head} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
      if (text !== '') expect(text).toMatch(/^HTTP\/1\.1 413 /);
    }
    // Without credentials nothing of a large body is read at all.
    expect(
      await raw(daemon, 'POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\nConnection: close\r\n\r\n{'),
    ).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('tells guesses of tokens in the security log, a bounded number of them, and guesses are not told apart', async () => {
    const daemon = await place.start({ args: [`--security-log-file=${place.path('security.log')}`] });
    const session = await daemon.create();
    const guess = (id: string, token: string) =>
      fetch(`${daemon.runtime['control-url']}/session/${id}/token`, {
        method: 'DELETE',
        body: JSON.stringify({ token }),
      });
    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, i) => guess(session.id, `${i}`.padStart(32, 'a'))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
    const proxied = await Promise.all(
      [`${session.id}:wrong`, `${'f'.repeat(32)}:wrong`, `${session.id}:${session.token.slice(0, -1)}`].map(
        async (credentials) => {
          const socket = connect(Number(new URL(daemon.runtime['proxy-url']).port), '127.0.0.1');
          let text = '';
          socket.on('data', (chunk) => {
            text += chunk;
          });
          socket.write(
            `GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nProxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n\r\n`,
          );
          await new Promise((resolve) => socket.once('close', resolve));
          return text;
        },
      ),
    );
    // An unknown session and a wrong token: byte for byte the same.
    expect(new Set(proxied).size).toBe(1);
    expect(proxied[0]).toMatch(/^HTTP\/1\.1 407 /);
    const log = await readFile(place.path('security.log'), 'utf8');
    const failed = log.split('\n').filter((line) => line.includes('authn_login_fail'));
    expect(failed.length).toBe(60);
    expect(JSON.parse(failed[0] ?? '')).toMatchObject({
      level: 'WARN',
      client_ip: '127.0.0.1',
      reason: 'FETCH_TOKEN_WRONG',
    });
    expect(log).not.toContain(session.token);
  });

  it('without credentials takes no calls of web pages', async () => {
    const daemon = await place.start({ args: ['--no-control-auth'], environment: { FETCH_SERVICE_AUTH: '' } });
    const { port } = new URL(daemon.runtime['control-url']);
    const create = (fields: string) =>
      raw(
        daemon,
        `POST /session HTTP/1.1\r\n${fields}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      );
    expect(await create(`Host: 127.0.0.1:${port}`)).toMatch(/^HTTP\/1\.1 200 /);
    for (const fields of [
      `Host: 127.0.0.1:${port}\r\nOrigin: https://evil.example`,
      `Host: 127.0.0.1:${port}\r\nSec-Fetch-Site: cross-site`,
      `Host: rebinding.example:${port}`,
    ])
      expect(await create(fields)).toMatch(/^HTTP\/1\.1 403 /);
    const { 'session-count': count } = (await (await daemon.call('GET', '/status')).json()) as {
      'session-count': number;
    };
    expect(count).toBe(1);
  });

  it('lets readers of events come and go without end', async () => {
    const session = await daemon.create();
    const { port } = new URL(daemon.runtime['control-url']);
    const readers = Array.from({ length: 250 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(`GET /session/${session.id}/events HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`);
      return socket;
    });
    const heads = await Promise.all(
      readers.map((socket) => new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))))),
    );
    const following = heads.filter((head) => head.startsWith('HTTP/1.1 200'));
    expect(following.length).toBe(200);
    for (const socket of readers) socket.destroy();
    await sleep(200);
    const again = await fetch(`${daemon.runtime['control-url']}/session/${session.id}/events`, {
      headers: { authorization: authorization.slice('Authorization: '.length) },
    });
    expect(again.status).toBe(200);
    await again.body?.cancel();
  });
});

describe('files of the daemon', () => {
  it('keep to their owner whatever the umask', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const runtime = place.path('runtime.json');
    const options = [
      ...[
        '--control-port=0',
        '--proxy-port=0',
        '--control-host=127.0.0.1',
        '--proxy-host=127.0.0.1',
        '--permissive-mode',
      ],
      ...[`--config=${place.path('conf')}`, `--spool=${place.path('spool')}`, `--socket=${place.path('ctl.socket')}`],
      ...[
        `--runtime-file=${runtime}`,
        `--log-file=${place.path('log')}`,
        `--security-log-file=${place.path('security')}`,
      ],
    ];
    const child = spawn('/bin/sh', ['-c', 'umask 0; exec "$0" "$@"', process.execPath, daemonFile, ...options], {
      env: { PATH: process.env.PATH ?? '', FETCH_SERVICE_AUTH: 'craft:craft' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await new Promise<void>((resolve) =>
        child.stdout.on('data', (text) => String(text).includes('is ready') && resolve()),
      );
      const { 'control-url': control, 'proxy-url': proxy } = JSON.parse(await readFile(runtime, 'utf8'));
      const headers = { authorization: authorization.slice('Authorization: '.length) };
      const created = await fetch(`${control}/session`, { method: 'POST', headers, body: '{"policy":"permissive"}' });
      const { id, token } = (await created.json()) as { id: string; token: string };
      const socket = connect(Number(new URL(proxy).port), '127.0.0.1');
      socket.write(
        `GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: Basic ${Buffer.from(`${id}:${token}`).toString('base64')}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.resume().once('close', resolve));
      await fetch(`${control}/session/${id}`, { method: 'DELETE', headers });
      const loose: string[] = [];
      for (const path of await everythingBelow(place.root)) {
        const { mode, isSymlink } = await modeOf(path);
        // Evidence may be read by others, as the earlier daemon has it; nothing may be written.
        if (!isSymlink && (mode & 0o022) !== 0) loose.push(`${path} ${mode.toString(8)}`);
      }
      expect(loose).toEqual([]);
      for (const name of ['runtime.json', 'ctl.socket', 'spool/.waybill', 'spool/.waybill/sessions.db'])
        expect(((await stat(place.path(name))).mode & 0o077).toString(8), name).toBe('0');
      expect(await readdir(place.path(`spool/${id}/assets`))).toHaveLength(2);
    } finally {
      child.kill('SIGKILL');
      await upstream.close();
    }
  });

  it('a link in the place of a session directory leads nowhere', async () => {
    const daemon = await place.start({ args: ['--permissive-mode'] });
    const session = await daemon.create({ policy: 'permissive' });
    await writeFile(place.path('precious'), 'kept');
    await symlink(place.root, place.path(`spool/${session.id}`));
    await session.revoke();
    const ended = await daemon.call('DELETE', `/session/${session.id}`);
    expect([ended.status, await ended.text()]).toEqual([500, expect.stringContaining('a link to one')]);
    expect(await readdir(place.root)).not.toContain('assets');
    expect(await readFile(place.path('precious'), 'utf8')).toBe('kept');
  });
});

async function everythingBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.map((entry) => join(entry.parentPath, entry.name));
}

async function modeOf(path: string): Promise<{ mode: number; isSymlink: boolean }> {
  const { lstat } = await import('node:fs/promises');
  const found = await lstat(path).catch(() => undefined);
  return { mode: (found?.mode ?? 0) & 0o777, isSymlink: found?.isSymbolicLink() ?? true };
}
